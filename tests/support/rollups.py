"""What rollups must say, worked out from the readings themselves."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from ingest.engine import RollupReads
from ingest.rollup_table import TABLES
from ingest.rollups import ORIGIN, Buckets, Level
from iotsphere.infra.postgres import Pool

Bucket = tuple[int, float, float, float, float, float, int]
"""count, sum, min, max, first, last, sources."""
_READINGS = """
select device_id, measurement, timestamp, value, telemetry.source_bit(metadata) as source from telemetry.telemetry
where timestamp >= $1 and timestamp < $2 and abs(value) <= 1e290 order by timestamp
"""
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
Found = dict[tuple[str, str, datetime], Bucket]


async def expected(pool: Pool, start: datetime, end: datetime, step: timedelta) -> Found:
    """By device, measurement and beginning."""
    readings: dict[tuple[str, str, datetime], list[Any]] = defaultdict(list)
    for row in await pool.fetch(_READINGS, start, end):
        bucket = ORIGIN + (row["timestamp"] - ORIGIN) // step * step
        readings[row["device_id"], row["measurement"], bucket].append(row)
    return {key: _bucket(rows) for key, rows in readings.items()}


def _bucket(rows: Sequence[Any]) -> Bucket:
    values = [row["value"] for row in rows]
    sources = 0
    for row in rows:
        sources |= row["source"]
    return len(values), sum(values), min(values), max(values), values[0], values[-1], sources


async def read(reads: RollupReads, devices: Sequence[str], start: datetime, end: datetime, step: timedelta) -> Found:
    """The same by the read path."""
    found = await reads.rollups(devices, None, start, end, step)
    return {
        (device, name, _EPOCH + timedelta(microseconds=moment)): bucket
        for device, columns in found.items()
        for name, buckets in columns.items()
        for moment, bucket in zip(buckets.moments, _turned(buckets), strict=True)
    }


def _turned(buckets: Buckets) -> list[Bucket]:
    columns = (buckets.counts, buckets.sums, buckets.lows, buckets.highs, buckets.firsts, buckets.lasts, buckets.sources)
    return list(zip(*columns, strict=True))


async def kept(pool: Pool, level: Level) -> int:
    """Rows of a level."""
    return int(await pool.fetchval(f"select count(*) from {TABLES[level]}"))


async def marks(pool: Pool) -> list[tuple[int, str]]:
    """Level and device of each mark."""
    return [tuple(row) for row in await pool.fetch("select level, device_id from telemetry.rollup_dirty order by 1, 2, id")]
