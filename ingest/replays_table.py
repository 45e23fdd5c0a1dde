"""All SQL of telemetry.replays: wishes to have dead letters replayed, and what became of them."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from ingest import dead_letters_table
from ingest.dead_letters_table import Selection
from iotsphere.infra.postgres import Connection, Pool

_FIND = """
select r.id, r.asked_by, r.asked_at, r.asked, r.came_through, r.failed,
       (select count(*) from telemetry.dead_letters d where d.replay = r.id)::integer as waiting
from telemetry.replays r where r.id = $1
"""
_COUNT = """
update telemetry.replays r set came_through = r.came_through + c.came_through, failed = r.failed + c.failed
from unnest($1::text[], $2::integer[], $3::integer[]) c (id, came_through, failed) where r.id = c.id
"""
_TRIM = """
delete from telemetry.replays r where asked_at < now() - make_interval(days => $1)
and not exists (select from telemetry.dead_letters d where d.replay = r.id)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """What became of a wish so far.

    Attributes:
        asked: letters that it was for; what neither came through nor failed nor waits was dropped meanwhile.
    """

    id: str
    asked_by: str
    asked_at: datetime
    asked: int
    came_through: int
    failed: int
    waiting: int


async def ask(connection: Connection, wanted: Selection, asked_by: str, organization: str) -> Replay:
    """Make a wish, within the caller's transaction.

    Args:
        organization: who may look at it: an organization, or ``*``.
    """
    id = secrets.token_hex(8)  # noqa: A001 - the column's name
    await connection.execute(
        "insert into telemetry.replays (id, organization_id, asked_by) values ($1, $2, $3)", id, organization, asked_by
    )
    asked = await dead_letters_table.ask_replay(connection, wanted, id)
    await connection.execute("update telemetry.replays set asked = $2 where id = $1", id, asked)
    found = await find(connection, id)
    assert found is not None  # noqa: S101 - it was inserted above
    return found


async def find(connection: Connection, id: str) -> Replay | None:  # noqa: A002 - the column's name
    """One wish; None when there is none, or none that the transaction's tenant may see."""
    row = await connection.fetchrow(_FIND, id)
    return Replay(**row) if row is not None else None


async def count(connection: Connection, outcomes: Mapping[str, tuple[int, int]]) -> None:
    """So many letters of each wish came through, and so many failed."""
    came_through, failed = zip(*outcomes.values(), strict=True)
    await connection.execute(_COUNT, list(outcomes), list(came_through), list(failed))


async def trim(pool: Pool, days: int) -> None:
    """Forget wishes that were fulfilled so many days ago."""
    await pool.execute(_TRIM, days)
