"""All SQL that reads telemetry.telemetry. Raises what asyncpg raises."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from ingest.latest_value import LatestValue, about
from iotsphere.infra.postgres import Pool

NEWEST = 500  # readings of a device among which its latest values are looked for, and its moments
GAPS = 20  # between moments of a device: their median is how often it reports
READ_SECONDS = 30.0

# Backwards along the primary key, newest partition first: the sort needs no more than the first NEWEST entries.
_LATEST = """
select d.device_id, r.measurement, extract(epoch from r.timestamp)::float8 * 1000 as ts, r.value, r.metadata::text as metadata
from unnest($1::text[]) d (device_id) cross join lateral (
    select distinct on (n.measurement) n.measurement, n.timestamp, n.value, n.metadata from (
        select t.measurement, t.timestamp, t.value, t.metadata from telemetry.telemetry t
        where t.device_id = d.device_id and t.value is not null order by t.timestamp desc limit $2
    ) n order by n.measurement, n.timestamp desc
) r
"""
_GAPS = """
select device_id, percentile_cont(0.5) within group (order by gap) as median from (
    select
        d.device_id,
        extract(epoch from r.timestamp - lag(r.timestamp) over (partition by d.device_id order by r.timestamp))::float8 as gap
    from unnest($1::text[], $4::timestamptz[]) d (device_id, since) cross join lateral (
        select distinct n.timestamp from (
            select t.timestamp from telemetry.telemetry t
            where t.device_id = d.device_id and t.timestamp >= coalesce(d.since, '-infinity')
            order by t.timestamp desc limit $2
        ) n order by n.timestamp desc limit $3
    ) r
) g where gap is not null group by device_id
"""
# Whole columns as binary text: the driver hands each over in one piece, and no Python object is made for a reading.
# The readings come in the order of the index, and hashing groups keeps the order within each; sorting them by group would not.
# The planner must know the device and the stretch to see that nothing needs to be sorted, so it plans anew for each.
_IN_ORDER = "set local plan_cache_mode = force_custom_plan; set local enable_sort = off"
_COLUMNS = """
select
    measurement,
    string_agg(timestamptz_send(timestamp), ''::bytea) as moments,
    string_agg(float8send(value), ''::bytea) as numbers
from (
    select measurement, timestamp, value from telemetry.telemetry
    where device_id = $1 and timestamp >= $2 and timestamp < $3 and value is not null
    and ($4::text[] is null or measurement = any($4)) order by timestamp limit $5
) page group by measurement
"""
_COUNT = """
select count(*) from (
    select from telemetry.telemetry where device_id = $1 and timestamp >= $2 and timestamp < $3
    and ($4::text[] is null or measurement = any($4)) limit $5
) counted
"""


async def latest(pool: Pool, devices: Sequence[str]) -> dict[str, dict[str, LatestValue]]:
    """The newest value of each measurement among the newest readings of each device."""
    found: dict[str, dict[str, LatestValue]] = {device: {} for device in devices}
    for row in await pool.fetch(_LATEST, list(devices), NEWEST, timeout=READ_SECONDS):
        source, quality = about(row["metadata"])
        found[row["device_id"]][row["measurement"]] = LatestValue(row["value"], row["ts"], source, quality)
    return found


async def median_gaps_s(pool: Pool, devices: Mapping[str, datetime | None]) -> dict[str, float]:
    """Median of the last GAPS distances in time between a device's readings, seconds; without a device that has less than two.

    Args:
        devices: by id, since when readings count; None: all of them.
    """
    rows = await pool.fetch(_GAPS, list(devices), NEWEST, GAPS + 1, list(devices.values()), timeout=READ_SECONDS)
    return {row["device_id"]: row["median"] for row in rows}


async def page(
    pool: Pool, device: str, start: datetime, end: datetime, measurements: Sequence[str] | None, limit: int
) -> list[tuple[str, bytes, bytes]]:
    """The first ``limit`` readings in [start, end): measurement, times (µs since 2000) and values, big-endian, 8 bytes each.

    Within a measurement they are in the order of time.
    """
    names = None if measurements is None else list(measurements)
    async with pool.acquire() as connection, connection.transaction(readonly=True):
        await connection.execute(_IN_ORDER)
        rows = await connection.fetch(_COLUMNS, device, start, end, names, limit, timeout=READ_SECONDS)
    return [(row["measurement"], row["moments"], row["numbers"]) for row in rows]


async def count(pool: Pool, device: str, start: datetime, end: datetime, measurements: Sequence[str] | None, most: int) -> int:
    """How many readings there are in [start, end), counted up to ``most``."""
    names = None if measurements is None else list(measurements)
    return int(await pool.fetchval(_COUNT, device, start, end, names, most, timeout=READ_SECONDS))
