"""All SQL that makes the telemetry store a TimescaleDB one: hypertable, columnstore, continuous aggregates, policies.

The aggregates bear the names and columns of our own rollups, and marks are thrown away: whoever writes need not know the engine.
Raises what asyncpg raises.
"""

import asyncio
from collections.abc import Mapping
from datetime import datetime

import asyncpg

from ingest.rollup_table import COUNTED
from ingest.rollups import Level
from iotsphere.infra.postgres import Connection

REORGANIZE_DAYS = 3  # what is older goes into the columnstore; late readings may still come, at a higher price
LEEWAY_HOURS = 12  # a reading that was just young enough is refreshed by and by; its chunk goes when it is a day older
REFRESH_SECONDS = 3600.0
TRIES = 30  # a second apart
MINIMUM_DAYS = 3  # the window of a refresh must hold two buckets; that of the days goes over hours, which are still there
_NAMES = {Level.MINUTE: "rollup_1m", Level.HOUR: "rollup_1h", Level.DAY: "rollup_1d"}
_WIDTHS = {Level.MINUTE: "1 minute", Level.HOUR: "1 hour", Level.DAY: "1 day"}
_EVERY = {Level.MINUTE: "30 seconds", Level.HOUR: "5 minutes", Level.DAY: "1 hour"}

_HYPERTABLE = (
    "drop table telemetry.telemetry, telemetry.rollup_1m, telemetry.rollup_1h, telemetry.rollup_1d",
    """
    create table telemetry.telemetry (
        device_id text not null,
        timestamp timestamptz not null,
        measurement text not null,
        value double precision,
        metadata jsonb,
        primary key (device_id, timestamp, measurement) include (value)
    )
    """,
    "revoke all on telemetry.telemetry from iotsphere_tenant",
    """
    select create_hypertable('telemetry.telemetry', by_range('timestamp', interval '1 day'), create_default_indexes => false)
    """,
    """
    alter table telemetry.telemetry set (timescaledb.enable_columnstore, timescaledb.segmentby = 'device_id, measurement',
        timescaledb.orderby = 'timestamp desc')
    """,
    # Marks are for the rollups of the native engine.
    "delete from telemetry.rollup_dirty",
    "create rule no_marks as on insert to telemetry.rollup_dirty do instead nothing",
)
_MINUTES = f"""
create materialized view telemetry.rollup_1m
with (timescaledb.continuous, timescaledb.materialized_only = false, timescaledb.create_group_indexes = false) as
select device_id, measurement, time_bucket('1 minute', timestamp) as bucket, count(value) as count, sum(value) as sum,
    min(value) as min, max(value) as max, first(value, timestamp) as first, last(value, timestamp) as last,
    bit_or(telemetry.source_bit(metadata)) as sources
from telemetry.telemetry where {COUNTED} group by device_id, measurement, bucket with no data
"""  # noqa: S608 - a constant
_COARSER = """
create materialized view telemetry.{name}
with (timescaledb.continuous, timescaledb.materialized_only = false, timescaledb.create_group_indexes = false) as
select device_id, measurement, time_bucket('{width}', bucket) as bucket, sum(count)::bigint as count, sum(sum) as sum,
    min(min) as min, max(max) as max, first(first, bucket) as first, last(last, bucket) as last, bit_or(sources) as sources
from telemetry.{finer} group by device_id, measurement, time_bucket('{width}', bucket) with no data
"""
_AGGREGATE_STORE = """
alter materialized view telemetry.{name} set (timescaledb.enable_columnstore,
    timescaledb.segmentby = 'device_id, measurement', timescaledb.orderby = 'bucket desc')
"""
_AGGREGATE_INDEX = "create index {name}_device on telemetry.{name} (device_id, measurement, bucket desc)"
_WINDOW = """
select config->>'start_offset' as low, config->>'end_offset' as high from timescaledb_information.jobs
where proc_name = 'policy_refresh_continuous_aggregate' and hypertable_name = $1
"""
_REACHES = """
select (config->>'start_offset')::interval > make_interval(hours => $2) from timescaledb_information.jobs
where proc_name = 'policy_refresh_continuous_aggregate' and hypertable_name = $1
"""
_OLD_CHUNKS = """
select c.chunk_name as name, c.range_start as low, c.range_end as high, s.total_bytes as bytes
from timescaledb_information.chunks c cross join lateral (
    select d.total_bytes from chunks_detailed_size(format('%I.%I', c.hypertable_schema, c.hypertable_name)::regclass) d
    where d.chunk_schema = c.chunk_schema and d.chunk_name = c.chunk_name
) s
where c.range_end <= $2 and (c.hypertable_schema, c.hypertable_name) in (
    select 'telemetry', $1::name
    union select materialization_hypertable_schema, materialization_hypertable_name
    from timescaledb_information.continuous_aggregates where view_schema = 'telemetry' and view_name = $1
) order by c.range_start
"""
# Of readings that have been let go by the policy so far there are rollups, and nothing else.
_NOTE_GONE = """
insert into telemetry.raw_gone as g (organization_id, before)
select '*', j.before from (
    select now() - (config->>'drop_after')::interval as before from timescaledb_information.jobs
    where proc_name = 'policy_retention' and hypertable_schema = 'telemetry' and hypertable_name = 'telemetry'
) j where exists (select from telemetry.rollup_1m where bucket < j.before)
    or exists (select from telemetry.rollup_1d where bucket < j.before)
on conflict (organization_id) do update set before = greatest(g.before, excluded.before)
"""
_HOURS_THERE = """
select least(
    $1, (select floor(extract(epoch from now() - before) / 3600)::int from telemetry.raw_gone where organization_id = '*')
)
"""
_HYPERTABLES = """
select true from pg_class c join pg_namespace n on n.oid = c.relnamespace join timescaledb_information.hypertables h
    on h.hypertable_schema = n.nspname and h.hypertable_name = c.relname
where n.nspname = 'telemetry' and c.relname = 'telemetry'
"""


async def installed(connection: Connection) -> bool:
    """Whether the extension is in the database."""
    return bool(await connection.fetchval("select true from pg_extension where extname = 'timescaledb'"))


async def offered(connection: Connection) -> bool:
    """Whether the server has the extension."""
    return bool(await connection.fetchval("select true from pg_available_extensions where name = 'timescaledb'"))


async def preloaded(connection: Connection) -> bool:
    """Whether the server has loaded it at its start, without which it cannot be created."""
    return "timescaledb" in await connection.fetchval("select current_setting('shared_preload_libraries')")


async def install(connection: Connection) -> None:
    """Add the extension to the database."""
    await connection.execute("create extension if not exists timescaledb")


async def before_restore(connection: Connection) -> None:
    """Make an empty database ready for a dump of one with the extension: for the connections that are made after this one."""
    await install(connection)
    await connection.execute("select timescaledb_pre_restore()")


async def after_restore(connection: Connection) -> None:
    """The extension acts again, and its policies run."""
    await connection.execute("select timescaledb_post_restore()")


async def is_hypertable(connection: Connection) -> bool:
    """Whether the readings are in a hypertable; the extension must be installed."""
    return bool(await connection.fetchval(_HYPERTABLES))


async def holds_readings(connection: Connection) -> bool:
    """Whether anything is stored already."""
    return bool(await connection.fetchval("select exists (select from telemetry.telemetry)"))


async def make(connection: Connection) -> None:
    """Put a hypertable and its continuous aggregates in the place of the empty native tables."""
    async with connection.transaction():
        for statement in _HYPERTABLE:
            await connection.execute(statement)
        for level in Level:
            for statement in _aggregate(level):
                await connection.execute(statement)


def _aggregate(level: Level) -> tuple[str, str, str]:
    """Each stands on the finer one."""
    name = _NAMES[level]
    finer = _NAMES[Level(level - 1)] if level else ""
    view = _COARSER.format(name=name, finer=finer, width=_WIDTHS[level]) if level else _MINUTES
    return view, _AGGREGATE_STORE.format(name=name), _AGGREGATE_INDEX.format(name=name)


async def set_policies(connection: Connection, keep_days: int, keep: Mapping[Level, int | None]) -> None:
    """Replace all policies: columnstore, refresh and retention.

    Args:
        keep_days: of raw readings. A refresh goes back so far, and no farther than the readings that are still there when they
            were kept for less before: over dropped chunks it would delete the aggregate.
        keep: days of each level, None for ever.
    """
    async with connection.transaction():
        await connection.execute(_NOTE_GONE)
        hours = await connection.fetchval(_HOURS_THERE, keep_days * 24 + LEEWAY_HOURS)
        await _replace(connection, "telemetry", REORGANIZE_DAYS)
        await _retain(connection, "telemetry", keep_days + 1)  # a day more, and whole chunks: the window of a refresh is within
        for level in Level:
            await connection.execute(f"select remove_continuous_aggregate_policy('telemetry.{_NAMES[level]}', if_exists => true)")
            await connection.execute(_refresh_policy(level, _window(level, hours, keep)))
            await _replace(connection, _NAMES[level], keep_days + 3)
            await _retain(connection, _NAMES[level], keep[level])


def _window(level: Level, hours: int, keep: Mapping[Level, int | None]) -> int:
    """Hours that a refresh goes back: no farther than what it is made of is kept."""
    finer = keep[Level(level - 1)] if level else None
    hours = min(hours, finer * 24) if finer else hours
    return max(hours, MINIMUM_DAYS * 24) if level is Level.DAY else hours


def _refresh_policy(level: Level, hours: int) -> str:
    return (
        f"select add_continuous_aggregate_policy('telemetry.{_NAMES[level]}', start_offset => interval '{hours} hours', "
        f"end_offset => interval '{_WIDTHS[level]}', schedule_interval => interval '{_EVERY[level]}')"
    )


async def _replace(connection: Connection, table: str, after_days: int) -> None:
    await connection.execute(f"call remove_columnstore_policy('telemetry.{table}', if_exists => true)")
    await connection.execute(f"call add_columnstore_policy('telemetry.{table}', after => interval '{after_days} days')")


async def _retain(connection: Connection, table: str, days: int | None) -> None:
    await connection.execute(f"select remove_retention_policy('telemetry.{table}', if_exists => true)")
    if days is not None:
        await connection.execute(f"select add_retention_policy('telemetry.{table}', interval '{days} days')")


async def catch_up(connection: Connection, keep_days: int) -> None:
    """Refresh what a policy will not reach any more when readings are kept for so few days. No transaction may be open."""
    if await connection.fetchval(_REACHES, _NAMES[Level.MINUTE], keep_days * 24 + LEEWAY_HOURS):
        await refresh(connection)


async def refresh(connection: Connection) -> None:
    """Do now what the refresh policies do by and by, the finest first. No transaction may be open."""
    for level in Level:
        window = await connection.fetchrow(_WINDOW, _NAMES[level])
        assert window is not None  # noqa: S101 - set_policies() has made it
        low, high = (f"now() - interval '{window[edge]}'" for edge in ("low", "high"))
        await _refresh(connection, f"call refresh_continuous_aggregate('telemetry.{_NAMES[level]}', {low}, {high})")


async def _refresh(connection: Connection, call: str) -> None:
    """It takes turns with a policy that is at the same stretch."""
    for left in reversed(range(TRIES)):
        try:
            await connection.execute(call, timeout=REFRESH_SECONDS)
        except asyncpg.LockNotAvailableError:
            if not left:
                raise
            await asyncio.sleep(1)
        else:
            return


async def drop_chunks(connection: Connection, before: datetime) -> int:
    """Drop the chunks of raw readings that end before a moment, as the retention policy does; how many."""
    return len(await connection.fetch("select drop_chunks('telemetry.telemetry', $1::timestamptz)", before))


async def old_chunks(connection: Connection, table: str, before: datetime) -> list[asyncpg.Record]:
    """Name, low, high and bytes of the chunks that end before a moment, the columnstore included."""
    return list(await connection.fetch(_OLD_CHUNKS, table, before))
