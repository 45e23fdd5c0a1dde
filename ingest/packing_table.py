"""All SQL that packs the primary keys of partitions: rebuilt, an index is as small as it can be. Raises what asyncpg raises."""

from dataclasses import dataclass

from ingest.periods import Period
from iotsphere.infra.postgres import Connection

SCHEMA = "telemetry"
REBUILD_SECONDS = 6 * 3600.0

_ALONE = "select pg_try_advisory_lock(hashtext('iotsphere packing'))"
# The comment stays with the index, when it is rebuilt and in a backup, and goes with it.
_KEYS = r"""
select c.relname as partition, k.relname as name, pg_relation_size(k.oid) as bytes,
    substring(obj_description(k.oid, 'pg_class') from '^packed into (\d+) bytes$')::bigint as packed
from pg_inherits i join pg_class c on c.oid = i.inhrelid join pg_index x on x.indrelid = c.oid
    join pg_class k on k.oid = x.indexrelid
where i.inhparent = $1::regclass and not i.inhdetachpending and x.indisprimary and x.indisvalid
"""
# PostgreSQL names them so. One that is being built at present, by whomever, is not ours to drop.
_LEFT = r"""
select k.relname as name from pg_inherits i join pg_index x on x.indrelid = i.inhrelid join pg_class k on k.oid = x.indexrelid
where i.inhparent = $1::regclass and not x.indisvalid and k.relname ~ '_cc(new|old)\d*$'
    and not exists (select from pg_stat_progress_create_index p where p.datname = current_database() and p.relid = x.indrelid)
"""


@dataclass(frozen=True, slots=True)
class Key:
    """The index of a partition's primary key.

    Attributes:
        number: of the period.
        bytes: its size; ``packed``: the one that it had when it was packed, None when it never was.
    """

    number: int
    name: str
    bytes: int
    packed: int | None


async def alone(connection: Connection) -> bool:
    """Whether nobody else packs; nobody will as long as the connection lives."""
    return bool(await connection.fetchval(_ALONE))


async def keys(connection: Connection, period: Period) -> list[Key]:
    """The primary keys of all partitions, the newest first. TimescaleDB's chunks are none."""
    rows = await connection.fetch(_KEYS, f"{SCHEMA}.{period.table}")
    found = [(period.named(row["partition"]), row) for row in rows]
    named = [Key(number, row["name"], row["bytes"], row["packed"]) for number, row in found if number is not None]
    return sorted(named, key=lambda key: key.number, reverse=True)


async def drop_leftovers(connection: Connection, period: Period) -> int:
    """Drop what interrupted attempts have left; how many."""
    rows = await connection.fetch(_LEFT, f"{SCHEMA}.{period.table}")
    for row in rows:
        await connection.execute(f'drop index concurrently if exists {SCHEMA}."{row["name"]}"', timeout=REBUILD_SECONDS)
    return len(rows)


async def pack(connection: Connection, name: str) -> int:
    """Rebuild an index while readers and writers go on, and note that on it; its size (bytes). No transaction may be open."""
    index = f'{SCHEMA}."{name}"'
    await connection.execute(f"reindex index concurrently {index}", timeout=REBUILD_SECONDS)
    size = int(await connection.fetchval("select pg_relation_size($1::regclass)", index))
    await connection.execute(f"comment on index {index} is 'packed into {size} bytes'")
    return size
