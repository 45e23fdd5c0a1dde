"""All SQL that reads rollups where TimescaleDB keeps them. Raises what asyncpg raises.

The continuous aggregates answer what is not refreshed yet from the readings; what [start, end) covers in part comes from the
finer one, and at last from the readings themselves.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import asyncpg

from ingest.rollup_reads import EACH, READ_SECONDS, TOGETHER, each, finished, put_together
from ingest.rollup_table import COUNTED, TABLES
from ingest.rollups import Buckets, Level, Stretch, level_of, split
from iotsphere.infra.postgres import Pool

# $1 devices, $2 measurements, $3 and $4 stretches of readings, $5 step, $6 and $7 … stretches of each level
_LEVEL = """
select r.* from unnest(${low}::timestamptz[], ${high}::timestamptz[]) w (low, high) cross join lateral (
    select r.device_id, r.measurement, r.bucket, r.count, r.sum, r.min, r.max, r.first, r.last, r.sources from {table} r
    where r.device_id = any($1) {named} and r.bucket >= w.low and r.bucket < w.high
) r
"""
_RAW = """
select r.* from unnest($3::timestamptz[], $4::timestamptz[]) w (low, high) cross join lateral (
    select r.device_id, r.measurement, time_bucket('1 minute', r.timestamp) as bucket, count(*) as count, sum(r.value) as sum,
        min(r.value) as min, max(r.value) as max, first(r.value, r.timestamp) as first, last(r.value, r.timestamp) as last,
        bit_or(telemetry.source_bit(r.metadata)) as sources
    from telemetry.telemetry r
    where r.device_id = any($1) {named} and {counted} and r.timestamp >= w.low and r.timestamp < w.high
    group by 1, 2, 3
) r
"""


def _statement(level: Level, outer: str, *, named: bool) -> str:
    name = "and r.measurement = any($2)" if named else "and $2::text[] is null"
    parts = [_RAW.format(named=name, counted=COUNTED)]
    for lower in Level:
        if lower <= level:
            parts.append(_LEVEL.format(table=TABLES[lower], named=name, low=6 + 2 * lower, high=7 + 2 * lower))
    return f"with {finished(' union all '.join(parts), outer)}"


_STATEMENTS = {
    (level, outer, named): _statement(level, outer, named=named)
    for level in Level
    for outer in (EACH, TOGETHER)
    for named in (True, False)
}


class TimescaleRollups:
    """Implements engine.RollupReads over continuous aggregates.

    Args:
        pool: the telemetry database.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def rollups(
        self, devices: Sequence[str], measurements: Sequence[str] | None, start: datetime, end: datetime, step: timedelta
    ) -> Mapping[str, Mapping[str, Buckets]]:
        """See engine.RollupReads."""
        return each(devices, await self._rows(EACH, devices, measurements, start, end, step))

    async def together(
        self, devices: Sequence[str], measurement: str, start: datetime, end: datetime, step: timedelta
    ) -> Buckets:
        """See engine.RollupReads."""
        return put_together(await self._rows(TOGETHER, devices, [measurement], start, end, step))

    async def _rows(
        self,
        outer: str,
        devices: Sequence[str],
        measurements: Sequence[str] | None,
        start: datetime,
        end: datetime,
        step: timedelta,
    ) -> list[asyncpg.Record]:
        level = level_of(step)
        names = None if measurements is None else list(measurements)
        raw, levels = split(start, end, level)
        stretches = [edge for lower in Level if lower <= level for edge in _lows_and_highs(levels[lower])]
        statement = _STATEMENTS[level, outer, names is not None]
        return await self._pool.fetch(
            statement, list(devices), names, *_lows_and_highs(raw), step, *stretches, timeout=READ_SECONDS
        )


def _lows_and_highs(stretches: Sequence[Stretch]) -> tuple[list[datetime], list[datetime]]:
    return [low for low, _ in stretches], [high for _, high in stretches]
