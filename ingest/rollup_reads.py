"""All SQL that reads rollups. Raises what asyncpg raises.

One statement, so one snapshot: a bucket without a mark comes from its rollup, one with a mark, or covered in part, from the level
below, and at last from the readings themselves. So the answer agrees with what is committed, however far the roller is behind.
"""

from array import array
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import asyncpg

from ingest.binary_columns import floats, integers
from ingest.rollup_table import COUNTED, EARLIEST, LATEST, TABLES
from ingest.rollups import ORIGIN, Buckets, Level, edges, level_of
from iotsphere.infra.postgres import Pool

READ_SECONDS = 30.0
_BIN = f"'{ORIGIN.isoformat()}'::timestamptz"
_NUMBERS = "r.measurement, r.bucket, r.count, r.sum, r.min, r.max, r.first, r.last, r.sources"
# $1 devices, $2 measurements, $3 start, $4 end, $5 step, $6 … edges by the minute, hour and day
_MARKS = """
marks as materialized (
    select distinct d.level, d.device_id, d.bucket from telemetry.rollup_dirty d
    where d.device_id = any($1) and d.bucket >= $3 and d.bucket < $4 and d.level <= {level}
)
"""
_STALE = """
stale_{level} as materialized (
    select device_id, date_bin('{width}', bucket, {bin}) as bucket from marks where level <= {level}
    union select device_id, bucket from unnest($1::text[]) device_id, unnest(${edges}::timestamptz[]) bucket
)
"""
# Nearly every bucket is settled by the first of the two look-ups, which is the cheaper one.
_TOP = """
select {chosen} from {table} r
where r.device_id = any($1) {named} and r.bucket >= $3 and r.bucket < $4 and (
    r.bucket not in (select bucket from stale_{level})
    or (r.device_id, r.bucket) not in (select device_id, bucket from stale_{level})
)
"""
# Many devices are put together while they are read: seventy thousand rows need not go through a union.
_SUMMED = """
'' as device_id, '' as measurement, r.bucket, sum(r.count)::bigint as count, sum(r.sum) as sum, min(r.min) as min,
max(r.max) as max, null::float8 as first, null::float8 as last, bit_or(r.sources) as sources
"""
_BELOW = """
select s.device_id, r.* from stale_{above} s cross join lateral (
    select {numbers} from {table} r
    where r.device_id = s.device_id {named}
        and r.bucket >= greatest(s.bucket, $3) and r.bucket < least(s.bucket + interval '{width}', $4)
        and not exists (select from stale_{level} f where f.device_id = r.device_id and f.bucket = r.bucket)
) r
"""
_RAW = """
select s.device_id, r.measurement, s.bucket, r.count, r.sum, r.min, r.max, r.first, r.last, r.sources
from stale_0 s cross join lateral (
    select r.measurement, count(*) as count, sum(r.value) as sum, min(r.value) as min, max(r.value) as max,
        {earliest} as first, {latest} as last,
        bit_or(telemetry.source_bit(r.metadata)) as sources
    from telemetry.telemetry r
    where r.device_id = s.device_id {named} and {counted}
        and r.timestamp >= greatest(s.bucket, $3) and r.timestamp < least(s.bucket + interval '1 minute', $4)
    group by r.measurement
) r
"""
_COLUMNS = """
    string_agg(timestamptz_send(slot), ''::bytea order by slot) as moments,
    string_agg(int8send(count), ''::bytea order by slot) as counts,
    string_agg(float8send(sum), ''::bytea order by slot) as sums,
    string_agg(float8send(min), ''::bytea order by slot) as lows,
    string_agg(float8send(max), ''::bytea order by slot) as highs,
    string_agg(int8send(sources::bigint), ''::bytea order by slot) as sources
"""
EACH = """
select device_id, measurement, {columns},
    string_agg(float8send(first), ''::bytea order by slot) as firsts,
    string_agg(float8send(last), ''::bytea order by slot) as lasts
from (
    select device_id, measurement, date_bin($5, bucket, {bin}) as slot, sum(count)::bigint as count, sum(sum) as sum,
        min(min) as min, max(max) as max, bit_or(sources) as sources,
        (array_agg(first order by bucket))[1] as first, (array_agg(last order by bucket))[count(*)] as last
    from parts group by device_id, measurement, slot
) slots group by device_id, measurement
"""
TOGETHER = """
select {columns} from (
    select date_bin($5, bucket, {bin}) as slot, sum(count)::bigint as count, sum(sum) as sum,
        min(min) as min, max(max) as max, bit_or(sources) as sources
    from parts group by slot
) slots
"""
_KNOWN = f"""
select name from unnest($2::text[]) name where
    exists (select from {TABLES[Level.DAY]} r where r.device_id = $1 and r.measurement = name)
    or exists (select from {TABLES[Level.HOUR]} r where r.device_id = $1 and r.measurement = name)
"""  # noqa: S608 - constants of this file
_WIDTHS = ("1 minute", "1 hour", "1 day")


def finished(parts: str, outer: str) -> str:
    """The end of a statement: what the relation ``parts`` holds by buckets of the width $5, in columns."""
    return f"parts as ({parts}) {outer.format(columns=_COLUMNS, bin=_BIN)}"


def _statement(level: Level, outer: str, *, named: bool) -> str:
    name = "and r.measurement = any($2)" if named else "and $2::text[] is null"
    filled = {"numbers": _NUMBERS, "named": name, "bin": _BIN}
    ctes = [_MARKS.format(level=level.value)]
    top = _TOP.format(
        chosen=f"r.device_id, {_NUMBERS}" if outer == EACH else _SUMMED, table=TABLES[level], level=level.value, **filled
    )
    parts = [top if outer == EACH else f"{top} group by r.bucket"]
    for lower in reversed(Level):
        if lower <= level:
            ctes.append(_STALE.format(level=lower.value, width=_WIDTHS[lower], edges=6 + lower, bin=_BIN))
        if lower < level:
            above = lower + 1
            parts.append(_BELOW.format(table=TABLES[lower], level=lower.value, above=above, width=_WIDTHS[above], **filled))
    parts.append(_RAW.format(earliest=EARLIEST, latest=LATEST, counted=COUNTED, **filled))
    joined = " union all ".join(parts)
    return f"with {','.join(ctes)}, parts as ({joined}) {outer.format(columns=_COLUMNS, bin=_BIN)}"


_STATEMENTS = {
    (level, outer, named): _statement(level, outer, named=named)
    for level in Level
    for outer in (EACH, TOGETHER)
    for named in (True, False)
}


def each(devices: Sequence[str], rows: Sequence[asyncpg.Record]) -> Mapping[str, Mapping[str, Buckets]]:
    """What a statement with EACH has found."""
    found: dict[str, dict[str, Buckets]] = {device: {} for device in devices}
    for row in rows:
        found[row["device_id"]][row["measurement"]] = _buckets(row, floats(row["firsts"]), floats(row["lasts"]))
    return found


def put_together(rows: Sequence[asyncpg.Record]) -> Buckets:
    """What a statement with TOGETHER has found."""
    [row] = rows
    return Buckets() if row["moments"] is None else _buckets(row, array("d"), array("d"))


class NativeRollups:
    """Implements engine.RollupReads over our own rollups.

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
        partial = [list(edges(start, end, lower.width)) for lower in Level if lower <= level]
        statement = _STATEMENTS[level, outer, names is not None]
        return await self._pool.fetch(statement, list(devices), names, start, end, step, *partial, timeout=READ_SECONDS)


async def known(pool: Pool, device: str, measurements: Sequence[str]) -> set[str]:
    """Those of the measurements that the device has a rollup by the hour or day of."""
    rows = await pool.fetch(_KNOWN, device, list(measurements), timeout=READ_SECONDS)
    return {row["name"] for row in rows}


def _buckets(row: asyncpg.Record, firsts: "array[float]", lasts: "array[float]") -> Buckets:
    return Buckets(
        moments=integers(row["moments"]),
        counts=integers(row["counts"]),
        sums=floats(row["sums"]),
        lows=floats(row["lows"]),
        highs=floats(row["highs"]),
        firsts=firsts,
        lasts=lasts,
        sources=integers(row["sources"]),
    )
