"""All SQL that writes rollups and their marks; the reads are in rollup_reads.py. Raises what asyncpg raises."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from asyncpg import UndefinedTableError

from ingest.rollup_marks import Key
from ingest.rollups import Level
from ingest.validate import SUMMABLE
from iotsphere.infra.postgres import Connection, Pool

TABLES = {Level.MINUTE: "telemetry.rollup_1m", Level.HOUR: "telemetry.rollup_1h", Level.DAY: "telemetry.rollup_1d"}
NOBODY = 0  # the writer of marks that no batch relies on
DRAIN_SECONDS = 120.0

_WRITER_LOCK = "hashtext('iotsphere rollup writer')"
# One rolls at a time. The lock is a statement of its own, so that the next one's snapshot is later than the last roller's commit.
_ROLL = "select pg_advisory_xact_lock(hashtext('iotsphere rollups'))"
_SET = """
on conflict (device_id, measurement, bucket) do update set count = excluded.count, sum = excluded.sum, min = excluded.min,
    max = excluded.max, first = excluded.first, last = excluded.last, sources = excluded.sources
where excluded.count >= r.count  -- fewer: what it was made of is partly gone by retention, and the bucket stays as it is
"""
# Which readings a bucket is made of. A larger value is refused today; one that lies there would make its sum overflow.
COUNTED = f"value between -{SUMMABLE} and {SUMMABLE}"
# The values of the earliest and the latest reading: the least and the greatest (time, value), which costs half of sorting.
EARLIEST, LATEST = (f"({which}(array[date_part('epoch', timestamp), value]))[2]" for which in ("min", "max"))
_MINUTES = f"""
insert into telemetry.rollup_1m as r (device_id, measurement, bucket, count, sum, min, max, first, last, sources)
select k.device_id, n.measurement, k.bucket, n.count, n.sum, n.min, n.max, n.first, n.last, n.sources
from (select distinct device_id, bucket from unnest($1::text[], $2::timestamptz[]) u (device_id, bucket)) k cross join lateral (
    select t.measurement, count(*) as count, sum(t.value) as sum, min(t.value) as min, max(t.value) as max,
        {EARLIEST} as first, {LATEST} as last,
        bit_or(telemetry.source_bit(t.metadata)) as sources
    from telemetry.telemetry t
    where t.device_id = k.device_id and t.timestamp >= k.bucket and t.timestamp < k.bucket + interval '1 minute'
        and {COUNTED}
    group by t.measurement
) n order by k.device_id, n.measurement, k.bucket
{_SET}
"""  # noqa: S608 - constants of this file
_COARSER = """
insert into {table} as r (device_id, measurement, bucket, count, sum, min, max, first, last, sources)
select k.device_id, n.measurement, k.bucket, n.count, n.sum, n.min, n.max, n.first, n.last, n.sources
from (select distinct device_id, bucket from unnest($1::text[], $2::timestamptz[]) u (device_id, bucket)) k cross join lateral (
    select f.measurement, sum(f.count)::bigint as count, sum(f.sum) as sum, min(f.min) as min, max(f.max) as max,
        (array_agg(f.first order by f.bucket))[1] as first, (array_agg(f.last order by f.bucket desc))[1] as last,
        bit_or(f.sources) as sources
    from {finer} f
    where f.device_id = k.device_id and f.bucket >= k.bucket and f.bucket < k.bucket + interval '{width}'
        and f.min >= -{most} and f.max <= {most}
    group by f.measurement
) n order by k.device_id, n.measurement, k.bucket
{set}
"""
_DRAIN = {
    Level.MINUTE: _MINUTES,
    Level.HOUR: _COARSER.format(table=TABLES[Level.HOUR], finer=TABLES[Level.MINUTE], width="1 hour", most=SUMMABLE, set=_SET),
    Level.DAY: _COARSER.format(table=TABLES[Level.DAY], finer=TABLES[Level.HOUR], width="1 day", most=SUMMABLE, set=_SET),
}
_MARK_ABOVE = """
insert into telemetry.rollup_dirty (level, writer, device_id, bucket)
select distinct $3::smallint, 0, k.device_id, date_bin($4::interval, k.bucket, '2000-01-03 00:00+00')
from unnest($1::text[], $2::timestamptz[]) k (device_id, bucket) where not exists (
    select from telemetry.rollup_dirty d where d.level = $3 and d.device_id = k.device_id
        and d.bucket = date_bin($4::interval, k.bucket, '2000-01-03 00:00+00')
)
"""
_UNMARK = """
delete from telemetry.rollup_dirty where level = $1 and writer = any($2) and id = any($3) returning device_id, bucket
"""
_MARKED = """
select writer, id, device_id, bucket from telemetry.rollup_dirty
where level = $1 and writer = any($2) and bucket < $3 limit $4
"""
_OTHER_WRITERS = "select distinct writer from telemetry.rollup_dirty where level = 0 and writer <> all($1)"
_LEFT = "select exists (select from telemetry.rollup_dirty where level = 0 and bucket < $1)"
_OLDEST = "select min(bucket) from telemetry.rollup_dirty where level = 0"
_MARK_STRETCH = """
insert into telemetry.rollup_dirty (level, writer, device_id, bucket)
select distinct 0, 0, device_id, date_bin('1 minute', timestamp, '2000-01-03 00:00+00') from telemetry.telemetry
where timestamp >= $1 and timestamp < $2
"""


@dataclass(frozen=True, slots=True)
class Mark:
    """One row of telemetry.rollup_dirty."""

    writer: int
    id: int
    device: str
    bucket: datetime


def marking(keys: Iterable[Key], writer: int) -> str:
    """The statement that marks minutes: whole, so that it can ride on a COPY. The readings must be committed with it."""
    ordered = sorted(keys)
    devices = "\n".join(device for device, _ in ordered).encode().hex()  # digits need no quoting; no id holds a line end
    minutes = ",".join(str(minute) for _, minute in ordered)
    return (
        "insert into telemetry.rollup_dirty (level, writer, device_id, bucket) "  # noqa: S608 - digits
        f"select 0, {writer}, device, timestamptz '2000-01-01 00:00+00' + minute * interval '1 minute' "
        f"from unnest(string_to_array(convert_from('\\x{devices}', 'UTF8'), E'\\n'), '{{{minutes}}}'::int[]) k (device, minute)"
    )


async def next_writer(connection: Connection) -> int:
    """A number that no living writer has."""
    return int(await connection.fetchval("select nextval('telemetry.rollup_writers')"))


async def stand_for(connection: Connection, writer: int) -> None:
    """While this connection lives nobody adopts the marks of this writer."""
    await connection.execute(f"select pg_advisory_lock_shared({_WRITER_LOCK}, $1)", writer)


async def adopt(connection: Connection, own: int) -> int:
    """Take over the marks of writers that have no connection any more; returns how many. Within the caller's transaction."""
    adopted = 0
    for row in await connection.fetch(_OTHER_WRITERS, [NOBODY, own]):
        if await connection.fetchval(f"select pg_try_advisory_xact_lock({_WRITER_LOCK}, $1)", row["writer"]):
            done = await connection.execute(
                "update telemetry.rollup_dirty set writer = 0 where level = 0 and writer = $1", row["writer"]
            )
            adopted += int(done.rsplit(" ", 1)[1])
    return adopted


async def marked(pool: Pool, level: Level, writers: Sequence[int], before: datetime, limit: int) -> list[Mark]:
    """Some marks of buckets that begin before a moment."""
    rows = await pool.fetch(_MARKED, level, list(writers), before, limit, timeout=DRAIN_SECONDS)
    return [Mark(row["writer"], row["id"], row["device_id"], row["bucket"]) for row in rows]


async def any_left(pool: Pool, before: datetime) -> bool:
    """Whether a minute before that moment is still marked, by whomever."""
    return bool(await pool.fetchval(_LEFT, before))


async def oldest_mark(connection: Connection) -> datetime | None:
    """The oldest minute that is marked, by whomever; None also where there are no rollups of ours yet."""
    try:
        found: datetime | None = await connection.fetchval(_OLDEST)
    except UndefinedTableError:
        return None
    return found


async def drain(connection: Connection, level: Level, marks: Sequence[Mark]) -> None:
    """Bring the marked buckets up to date, mark those above them, and take the marks away. Within the caller's transaction,
    which must be READ COMMITTED; every reading that relies on one of the marks is committed before."""
    await connection.execute(_ROLL)
    writers = sorted({mark.writer for mark in marks})
    taken = await connection.fetch(_UNMARK, level, writers, [mark.id for mark in marks])  # another roller may have been faster
    if not taken:
        return
    keys = ([row["device_id"] for row in taken], [row["bucket"] for row in taken])
    await connection.execute(_DRAIN[level], *keys, timeout=DRAIN_SECONDS)
    if level is not Level.DAY:
        above = Level(level + 1)
        await connection.execute(_MARK_ABOVE, *keys, above, above.width)


async def mark_stretch(connection: Connection, start: datetime, end: datetime) -> None:
    """Mark every minute that has a reading in [start, end): for whoever has written readings in bulk, in the same transaction."""
    await connection.execute(_MARK_STRETCH, start, end, timeout=DRAIN_SECONDS)
