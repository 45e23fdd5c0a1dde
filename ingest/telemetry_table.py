"""All SQL that writes telemetry.telemetry; the reads are in telemetry_reads.py. Raises what asyncpg raises."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import asyncpg

from ingest import rollup_table
from ingest.batch import COLUMNS, Row
from ingest.rollup_marks import keys_of

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]

SCHEMA, TABLE, STAGING = "telemetry", "telemetry", "staging"
COPY_SECONDS = 30.0

_STAGING = """
create temp table staging (
    position integer, device_id text, timestamp timestamptz, measurement text, value double precision, metadata jsonb
) on commit delete rows
"""
# In the order of the key: two batches that hold the same rows cannot wait for each other. Within a key the first one wins.
_MERGE = """
insert into telemetry.telemetry (device_id, timestamp, measurement, value, metadata)
select device_id, timestamp, measurement, value, metadata from staging order by device_id, timestamp, measurement, position
on conflict do nothing
"""
# OFFSET keeps the planner, which knows nothing of a temporary table, from reading the whole telemetry for a hash join.
_CONFLICTS = """
select s.position, stored.value from staging s cross join lateral (
    select t.value from telemetry.telemetry t
    where t.device_id = s.device_id and t.timestamp = s.timestamp and t.measurement = s.measurement offset 0
) stored
where stored.value is distinct from s.value order by s.position
"""


@dataclass(frozen=True, slots=True)
class Merged:
    """What became of rows: how many are new, and position and stored value of each whose key is taken by another value."""

    new: int = 0
    conflicts: list[tuple[int, float | None]] = field(default_factory=list)


async def prepare(connection: "Connection") -> None:
    """Make a new connection ready to write: moments are given as tuples, and it has a staging table."""
    await connection.set_type_codec("timestamptz", schema="pg_catalog", encoder=_same, decoder=_same, format="tuple")
    await connection.execute(_STAGING)


def _same(value: Any) -> Any:
    return value


async def copy(connection: "Connection", rows: Sequence[Row], also: str = "") -> None:
    """Add rows that are all new.

    Args:
        also: other statements, run in the same transaction.

    Raises:
        asyncpg.UniqueViolationError: one of them is not.
    """
    # What follows a COPY in one simple query is one transaction with it, and one round trip instead of four. The driver puts
    # the condition at the end of its query as it is.
    condition = f"true; {also}" if also else None
    await connection.copy_records_to_table(
        TABLE, schema_name=SCHEMA, records=rows, columns=COLUMNS, timeout=COPY_SECONDS, where=condition
    )


async def merge(connection: "Connection", rows: Sequence[Row]) -> Merged:
    """Add those that are new, and the marks for the rollups, within the caller's transaction."""
    if not rows:
        return Merged()
    await connection.execute(rollup_table.marking(keys_of(rows), rollup_table.NOBODY))
    await stage(connection, rows)
    return await add_staged(connection, len(rows))


async def stage(connection: "Connection", rows: Sequence[Row]) -> None:
    """Bring rows to the server that may be there already, within the caller's transaction; nobody waits for them yet."""
    records = [(position, *row) for position, row in enumerate(rows)]
    await connection.copy_records_to_table(STAGING, records=records, columns=("position", *COLUMNS), timeout=COPY_SECONDS)


async def add_staged(connection: "Connection", count: int) -> Merged:
    """Add those of the ``count`` staged rows that are new. The caller has seen to it that rollups learn of them."""
    done = await connection.execute(_MERGE)
    new = int(done.rsplit(" ", 1)[1])
    taken = [] if new == count else await connection.fetch(_CONFLICTS)
    return Merged(new, [(row["position"], row["value"]) for row in taken])
