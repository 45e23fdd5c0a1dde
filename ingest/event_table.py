"""All SQL of ops.events and ops.device_status. Raises what asyncpg raises."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from iotsphere.infra.postgres import Connection

KEPT = 10_000  # events of a device
FORGET = """
delete from ops.events where ctid = any(array(
    select ctid from ops.events where received_at < now() - make_interval(days => $1) limit $2))
"""
_ADD = """
insert into ops.events (device_id, timestamp, name, severity, data)
select * from unnest($1::text[], $2::timestamptz[], $3::text[], $4::text[], $5::jsonb[])
on conflict do nothing
"""
_SET_STATUS = """
insert into ops.device_status (device_id, text, at) select * from unnest($1::text[], $2::text[], $3::timestamptz[])
on conflict (device_id) do update set text = excluded.text, at = excluded.at where device_status.at <= excluded.at
"""
_TRIM = """
delete from ops.events e using unnest($1::text[]) d (device_id) cross join lateral (
    select timestamp, name from ops.events where device_id = d.device_id order by timestamp desc, name desc offset $2 limit 1
) newest_to_go
where e.device_id = d.device_id and (e.timestamp, e.name) <= (newest_to_go.timestamp, newest_to_go.name)
"""


@dataclass(frozen=True, slots=True)
class EventRow:
    """An event; ``data`` is JSON text."""

    device: str
    timestamp: datetime
    name: str
    severity: str
    data: str | None


@dataclass(frozen=True, slots=True)
class StatusRow:
    """A device's own text about itself."""

    device: str
    text: str
    at: datetime


async def add(connection: Connection, rows: Sequence[EventRow]) -> None:
    """Add events; those that are there already are left."""
    if rows:
        columns = zip(*((row.device, row.timestamp, row.name, row.severity, row.data) for row in rows), strict=True)
        await connection.execute(_ADD, *map(list, columns))


async def trim(connection: Connection, devices: Sequence[str]) -> None:
    """Keep the newest KEPT events of each of these devices."""
    if devices:
        await connection.execute(_TRIM, devices, KEPT)


async def set_status(connection: Connection, rows: Sequence[StatusRow]) -> None:
    """Replace older texts; one row a device, the last one counts."""
    last = {row.device: row for row in rows}
    if last:
        ordered = [last[device] for device in sorted(last)]
        await connection.execute(
            _SET_STATUS, [row.device for row in ordered], [row.text for row in ordered], [row.at for row in ordered]
        )
