"""ops.refusals: the last refusals of each device, and those of peers that nobody knows."""

from collections.abc import Sequence
from dataclasses import dataclass

from broker.refusal_tally import Told
from iotsphere.infra.postgres import Connection

KEPT_BY_DEVICE = 100
KEPT_UNKNOWN = 1_000

INSERT = """
insert into ops.refusals (at, device_id, known, organization_id, category, reason, topic, peer, count)
select to_timestamp(r.at / 1000.0), r.device, r.known, r.organization, r.category, r.reason, r.topic, r.peer, r.count
from unnest($1::bigint[], $2::text[], $3::boolean[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::integer[])
    as r(at, device, known, organization, category, reason, topic, peer, count)
"""
FORGET_OF_DEVICES = """
delete from ops.refusals r
using unnest($1::text[]) as d(device)
cross join lateral (
    select id from ops.refusals where device_id = d.device order by id desc offset $2 limit 1
) oldest
where r.device_id = d.device and r.id <= oldest.id and r.known
"""
FORGET_UNKNOWN = """
delete from ops.refusals
where not known and id <= (select id from ops.refusals where not known order by id desc offset $1 limit 1)
"""


@dataclass(frozen=True, slots=True)
class RefusalRow:
    """A refusal and whose it is; ``organization`` is None when no device of that id is registered."""

    told: Told
    organization: str | None


async def write(connection: Connection, rows: Sequence[RefusalRow]) -> None:
    """Add rows and forget those that are too old."""
    told = [row.told for row in rows]
    await connection.execute(
        INSERT,
        [t.at for t in told],
        [t.refusal.device for t in told],
        [row.organization is not None for row in rows],
        [row.organization for row in rows],
        [t.refusal.category for t in told],
        [t.refusal.reason for t in told],
        [t.refusal.topic for t in told],
        [t.refusal.peer for t in told],
        [t.count for t in told],
    )
    known = {t.refusal.device for t, row in zip(told, rows, strict=True) if row.organization is not None}
    if known:
        await connection.execute(FORGET_OF_DEVICES, list(known), KEPT_BY_DEVICE)
    if any(row.organization is None for row in rows):
        await connection.execute(FORGET_UNKNOWN, KEPT_UNKNOWN)
