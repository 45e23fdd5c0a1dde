"""registry.presence and registry.sessions, and what a CONNECT changes of registry.devices.

Every statement takes many rows, may be repeated, and passes over devices that are not registered (any more).
"""

from collections.abc import Mapping, Sequence

from broker.api import Presence
from broker.presence_queue import Session
from iotsphere.infra.postgres import Connection
from iotsphere.registry import DeviceRecord

BEGIN = """
insert into registry.sessions (device_id, session, connected_at, disconnected_at, reason, node)
select d.id, s.session, to_timestamp(s.began / 1000.0), to_timestamp(s.ended / 1000.0), s.reason, $6
from unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::text[]) as s(device, session, began, ended, reason)
join registry.devices d on d.id = s.device
on conflict (device_id, session) do nothing
"""
END = """
update registry.sessions t set disconnected_at = to_timestamp(s.ended / 1000.0), reason = s.reason
from unnest($1::text[], $2::bigint[], $3::bigint[], $4::text[]) as s(device, session, ended, reason)
where t.device_id = s.device and t.session = s.session and t.disconnected_at is null
"""
STATE = """
insert into registry.presence as p (device_id, session, connected, since, reason, node)
select d.id, s.session, s.connected, to_timestamp(s.at / 1000.0), s.reason, $6
from unnest($1::text[], $2::bigint[], $3::boolean[], $4::bigint[], $5::text[]) as s(device, session, connected, at, reason)
join registry.devices d on d.id = s.device
on conflict (device_id) do update
set session = excluded.session, connected = excluded.connected, since = excluded.since,
    reason = excluded.reason, node = excluded.node
where p.session <= excluded.session
"""
# changed_at stays: the caches need not read again what their own broker has done.
SEEN = """
update registry.devices d
set last_connected = greatest(d.last_connected, to_timestamp(s.at / 1000.0)),
    status = case d.status when 'registered' then 'active' else d.status end
from (select device, max(at) as at from unnest($1::text[], $2::bigint[]) as s(device, at) group by device) s
where d.id = s.device
"""
CLOSE_PRESENCE = """
update registry.presence p set connected = false, reason = 'network', since = now()
from registry.devices d
where d.id = p.device_id and p.node = $1 and p.connected and not exists (
    select from unnest($2::text[], $3::bigint[]) as live(device, session)
    where live.device = p.device_id and live.session = p.session)
returning d.id, d.organization_id, d.device_type, d.kind, d.status, p.session, (extract(epoch from p.since) * 1000)::bigint
"""
CLOSE_SESSIONS = """
update registry.sessions s set disconnected_at = now(), reason = 'network'
where s.node = $1 and s.disconnected_at is null and not exists (
    select from unnest($2::text[], $3::bigint[]) as live(device, session)
    where live.device = s.device_id and live.session = s.session)
"""
OPEN_PRESENCE = """
insert into registry.presence as p (device_id, session, connected, since, reason, node)
select d.id, live.session, true, now(), 'connected', $1
from unnest($2::text[], $3::bigint[]) as live(device, session)
join registry.devices d on d.id = live.device
where not exists (select from registry.presence o where o.device_id = live.device and o.session = live.session and o.connected)
on conflict (device_id) do update
set session = excluded.session, connected = true, since = excluded.since, reason = excluded.reason, node = excluded.node
where p.session <= excluded.session
returning p.device_id, p.session, (extract(epoch from p.since) * 1000)::bigint
"""
OPEN_SESSIONS = """
insert into registry.sessions (device_id, session, connected_at, node)
select p.device_id, p.session, p.since, p.node
from unnest($1::text[], $2::bigint[]) as opened(device, session)
join registry.presence p on p.device_id = opened.device and p.session = opened.session
on conflict (device_id, session) do update set disconnected_at = null, reason = null
"""
FORGET = """
delete from registry.sessions where ctid = any(array(
    select ctid from registry.sessions where disconnected_at < now() - make_interval(days => $1) limit $2))
"""


async def write_sessions(connection: Connection, sessions: Sequence[Session], node: str) -> None:
    """Rows of sessions that began, ends of those whose row is there already, and the devices' last connection."""
    began = [(s.began, s.ended) for s in sessions if s.began is not None]
    if began:
        await connection.execute(
            BEGIN,
            [b.device.id for b, _ in began],
            [b.session for b, _ in began],
            [b.at for b, _ in began],
            [e.at if e else None for _, e in began],
            [e.reason if e else None for _, e in began],
            node,
        )
        await connection.execute(SEEN, [b.device.id for b, _ in began], [b.at for b, _ in began])
    ended = [s.ended for s in sessions if s.began is None and s.ended is not None]
    if ended:
        await connection.execute(
            END, [e.device.id for e in ended], [e.session for e in ended], [e.at for e in ended], [e.reason for e in ended]
        )


async def write_states(connection: Connection, states: Sequence[Presence], node: str) -> None:
    """The present state of each device; an older session never replaces a newer one."""
    await connection.execute(
        STATE,
        [s.device.id for s in states],
        [s.session for s in states],
        [s.connected for s in states],
        [s.at for s in states],
        [s.reason for s in states],
        node,
    )


async def close_others(connection: Connection, node: str, live: Mapping[str, int]) -> list[Presence]:
    """End with reason ``network`` what the node's rows call connected and the broker does not know. Returns the ends."""
    rows = await connection.fetch(CLOSE_PRESENCE, node, list(live), list(live.values()))
    await connection.execute(CLOSE_SESSIONS, node, list(live), list(live.values()))
    return [Presence(DeviceRecord(*row[:5]), row[5], False, "network", row[6]) for row in rows]


async def open_missing(connection: Connection, node: str, live: Mapping[str, int]) -> int:
    """Begin what the broker calls connected and the rows do not. Returns how many."""
    rows = await connection.fetch(OPEN_PRESENCE, node, list(live), list(live.values()))
    if rows:
        await connection.execute(OPEN_SESSIONS, [row[0] for row in rows], [row[1] for row in rows])
    return len(rows)
