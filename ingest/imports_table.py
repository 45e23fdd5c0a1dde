"""All SQL of telemetry.imports, the journal of imports."""

from dataclasses import dataclass

from iotsphere.infra.postgres import Connection

_BEGIN = """
insert into telemetry.imports (id, file) values ($1, $2)
on conflict (id) do update set file = excluded.file
returning position, line, stored, rejected, rejects_size, (extract(epoch from ended_at) * 1000)::float8 as ended
"""
_MOVE = """
update telemetry.imports set position = $2, line = $3, stored = $4, rejected = $5, rejects_size = $6, changed_at = now(),
    ended_at = case when $7 then now() end
where id = $1
"""


@dataclass(slots=True)
class Progress:
    """How far an import is; ``position`` and ``rejects_size`` in bytes. ``stored`` counts what was there already, too."""

    position: int = 0
    line: int = 0
    stored: int = 0
    rejected: int = 0
    rejects_size: int = 0


async def begin(connection: Connection, id: str, file: str) -> tuple[Progress, float | None]:  # noqa: A002 - the column's name
    """How far the import of this content is, and when it ended (ms since the Unix epoch), None when it has not."""
    row = await connection.fetchrow(_BEGIN, id, file)
    assert row is not None  # noqa: S101 - it was inserted or updated
    *numbers, ended = row.values()
    return Progress(*numbers), ended


async def move(connection: Connection, id: str, progress: Progress, *, ended: bool) -> None:  # noqa: A002 - the column's name
    """So far it is; within the transaction that stores the readings."""
    p = progress
    await connection.execute(_MOVE, id, p.position, p.line, p.stored, p.rejected, p.rejects_size, ended)


async def forget(connection: Connection, id: str) -> None:  # noqa: A002 - the column's name
    """The next import of this content begins at its beginning."""
    await connection.execute("delete from telemetry.imports where id = $1", id)
