"""All SQL of telemetry.retention, and of what goes by it. Raises what asyncpg raises."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from ingest.retention_rules import INSTALLATION, LEVELS, ROLLUP_DAYS, Kept, Retention
from iotsphere.infra.postgres import Connection, Pool

SLICE_SECONDS = 60.0

_SET = """
insert into telemetry.retention (organization_id, what, days) values ($1, $2, $3)
on conflict (organization_id, what) do update set days = excluded.days, changed_at = now()
"""
_RAW_SINCE = """
select organization_id, max(since) as since from (
    select organization_id, now() - make_interval(days => days) as since from telemetry.retention where what = 'raw'
    union all select organization_id, before from telemetry.raw_gone
) s group by organization_id
"""
_LET_GO = """
insert into telemetry.raw_gone as g (organization_id, before) values ($1, $2)
on conflict (organization_id) do update set before = greatest(g.before, excluded.before)
"""
_OLD_ROLLUPS = "delete from {table} where ctid = any(array(select ctid from {table} where bucket < $1 limit $2))"
_OLD_ROLLUPS_SIZE = "select count(*)::float8 * 150 as bytes, min(bucket) as oldest from {table} where bucket < $1"
_OLDEST = "select min(timestamp) from telemetry.telemetry where device_id = $1 and timestamp < $2"
_DELETE = "delete from telemetry.telemetry where device_id = $1 and timestamp >= $2 and timestamp < $3"
_OLD_READINGS = "select count(*) from telemetry.telemetry where device_id = any($1) and timestamp < $2"


async def read(connection: "Connection | Pool", raw_days: int) -> Retention:
    """What is set; ``raw_days`` when nothing is set for raw readings."""
    rows = await connection.fetch("select organization_id, what, days from telemetry.retention")
    own = {row["what"]: row["days"] for row in rows if row["organization_id"] == INSTALLATION}
    raw = own.get("raw", raw_days)
    levels = {level: own.get(name, ROLLUP_DAYS[level]) for name, level in LEVELS.items()}
    shorter = {
        row["organization_id"]: row["days"] for row in rows if row["organization_id"] != INSTALLATION and row["days"] < raw
    }
    gone = await connection.fetch("select organization_id, before from telemetry.raw_gone")
    return Retention(raw, levels, shorter, {row["organization_id"]: row["before"] for row in gone})


async def let_go(pool: Pool, organization: str, before: datetime) -> None:
    """Note that raw readings before a moment go: before they do."""
    await pool.execute(_LET_GO, organization, before)


async def raw_since(pool: Pool) -> Mapping[str, datetime]:
    """Raw readings are kept from here on, by organization and for the installation, as far as that is set in the database."""
    return {row["organization_id"]: row["since"] for row in await pool.fetch(_RAW_SINCE)}


async def put(connection: Connection, organization: str, what: Kept, days: int | None) -> None:
    """Set the days of one kind, for the installation or an organization."""
    await connection.execute(_SET, organization, what, days)


async def lift(connection: Connection, organization: str) -> None:
    """The organization keeps its readings as long as the installation does."""
    await connection.execute("delete from telemetry.retention where organization_id = $1", organization)


async def delete_rollups(pool: Pool, table: str, before: datetime, limit: int) -> int:
    """Delete some rollups that begin before a moment; how many."""
    done = await pool.execute(_OLD_ROLLUPS.format(table=table), before, limit, timeout=SLICE_SECONDS)
    return int(done.rsplit(" ", 1)[1])


async def old_rollups(connection: "Connection | Pool", table: str, before: datetime) -> tuple[int, datetime | None]:
    """About how many bytes such rollups take, and the oldest of them."""
    row = await connection.fetchrow(_OLD_ROLLUPS_SIZE.format(table=table), before, timeout=SLICE_SECONDS)
    assert row is not None  # noqa: S101 - an aggregate without GROUP BY has one row
    return int(row["bytes"]), row["oldest"]


async def oldest(pool: Pool, device: str, before: datetime) -> datetime | None:
    """A device's oldest reading before a moment."""
    found: datetime | None = await pool.fetchval(_OLDEST, device, before, timeout=SLICE_SECONDS)
    return found


async def delete_readings(pool: Pool, device: str, start: datetime, end: datetime) -> int:
    """Delete a device's readings in [start, end); how many."""
    done = await pool.execute(_DELETE, device, start, end, timeout=SLICE_SECONDS)
    return int(done.rsplit(" ", 1)[1])


async def old_readings(connection: "Connection | Pool", devices: Sequence[str], before: datetime) -> int:
    """How many readings of these devices are older than a moment."""
    return int(await connection.fetchval(_OLD_READINGS, list(devices), before, timeout=SLICE_SECONDS))
