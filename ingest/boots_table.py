"""All SQL of telemetry.boots."""

from collections.abc import Mapping

from ingest.batch import BootKey
from iotsphere.infra.postgres import Pool

KEPT = 100  # boots of a device

_SETTLE = """
insert into telemetry.boots (device_id, boot, offset_us) select * from unnest($1::text[], $2::text[], $3::bigint[])
on conflict (device_id, boot) do update set seen_at = now()
returning device_id, boot, offset_us
"""
_FORGET = """
delete from telemetry.boots b using unnest($1::text[]) d (device_id) cross join lateral (
    select seen_at, boot from telemetry.boots where device_id = d.device_id order by seen_at desc, boot desc offset $2 limit 1
) newest_to_go
where b.device_id = d.device_id and (b.seen_at, b.boot) <= (newest_to_go.seen_at, newest_to_go.boot)
"""
_TRIM = "delete from telemetry.boots where seen_at < now() - make_interval(days => $1)"


async def settle(pool: Pool, boots: Mapping[BootKey, int]) -> dict[BootKey, int]:
    """The offset (µs) of each boot: the first one that anybody settled, else the one given here.

    Of each device the KEPT boots that were heard of last are remembered.
    """
    keys = sorted(boots)  # one order for everybody: two batches cannot wait for each other
    rows = await pool.fetch(_SETTLE, [k[0] for k in keys], [k[1] for k in keys], [boots[k] for k in keys])
    await pool.execute(_FORGET, sorted({device for device, _ in boots}), KEPT)
    return {(row["device_id"], row["boot"]): row["offset_us"] for row in rows}


async def trim(pool: Pool, days: int) -> None:
    """Forget boots that were not heard of for so many days."""
    await pool.execute(_TRIM, days)
