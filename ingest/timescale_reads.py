"""All SQL that reads rollups where TimescaleDB keeps them. Raises what asyncpg raises.

The continuous aggregates answer what is not refreshed yet from the readings; what [start, end) covers in part comes from the
finer one, and at last from the readings themselves.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache

import asyncpg

from ingest.rollup_reads import EACH, READ_SECONDS, TOGETHER, each, finished, put_together
from ingest.rollup_table import COUNTED, TABLES
from ingest.rollups import Buckets, Level, Stretch, level_of, split
from iotsphere.infra.postgres import Pool

# $1 devices, $2 measurements, $5 step; the planner sees the edges of a stretch, and reads no chunk beyond them
_LEVEL = """
select r.device_id, r.measurement, r.bucket, r.count, r.sum, r.min, r.max, r.first, r.last, r.sources from {table} r
where r.device_id = any($1) {named} and r.bucket >= ${low} and r.bucket < ${high}
"""
_RAW = """
select r.device_id, r.measurement, time_bucket('1 minute', r.timestamp) as bucket, count(*) as count, sum(r.value) as sum,
    min(r.value) as min, max(r.value) as max, first(r.value, r.timestamp) as first, last(r.value, r.timestamp) as last,
    bit_or(telemetry.source_bit(r.metadata)) as sources
from telemetry.telemetry r
where r.device_id = any($1) {named} and {counted} and r.timestamp >= ${low} and r.timestamp < ${high}
group by 1, 2, 3
"""
_PLAN = "set local plan_cache_mode = force_custom_plan"


@cache
def statement(parts: tuple[Level | None, ...], outer: str, *, named: bool) -> str:
    """One branch for each stretch.

    Args:
        parts: which level each stretch is read from; None: from readings. The edges of the first are $3 and $4, those of the next
            $6 and $7, then $8 and $9, and so on.
        outer: EACH or TOGETHER of rollup_reads.
        named: whether measurements are named.
    """
    name = "and r.measurement = any($2)" if named else "and $2::text[] is null"
    edges = [(3, 4), *((6 + 2 * n, 7 + 2 * n) for n in range(len(parts) - 1))]
    branches = [_branch(part, name, low, high) for part, (low, high) in zip(parts, edges, strict=True)]
    return f"with {finished(' union all '.join(branches), outer)}"


def _branch(part: Level | None, named: str, low: int, high: int) -> str:
    if part is None:
        return f"({_RAW.format(named=named, counted=COUNTED, low=low, high=high)})"
    return f"({_LEVEL.format(table=TABLES[part], named=named, low=low, high=high)})"


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
        parts, edges = _stretches(start, end, level_of(step))
        names = None if measurements is None else list(measurements)
        question = statement(parts, outer, named=names is not None)
        async with self._pool.acquire() as connection, connection.transaction(readonly=True):
            await connection.execute(_PLAN)
            return list(
                await connection.fetch(question, list(devices), names, *edges[:2], step, *edges[2:], timeout=READ_SECONDS)
            )


def _stretches(start: datetime, end: datetime, level: Level) -> tuple[tuple[Level | None, ...], list[datetime]]:
    """Where each stretch is read from, and the edges of all."""
    raw, levels = split(start, end, level)
    found: list[tuple[Level | None, Stretch]] = [(None, stretch) for stretch in raw]
    found += [(lower, stretch) for lower, stretches in levels.items() for stretch in stretches]
    return tuple(part for part, _ in found), [edge for _, stretch in found for edge in stretch]
