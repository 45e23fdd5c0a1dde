"""All SQL of telemetry.dead_letters: what could not be stored, with the reason. Bounded by age and size."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ingest.batch import DeadLetter
from iotsphere.infra.postgres import Connection, Pool

# Of a message that is wrong in itself the beginning tells enough; what is right and was not stored is kept whole.
SHORT = {"validation": 4096, "clock": 4096}
LONGEST_REASON = 1000
CATEGORIES = ("validation", "clock", "conflict", "store")
ROW_BYTES = 200  # what a letter takes beside its payload and its reason

_INSERT = """
insert into telemetry.dead_letters
    (device_id, organization_id, topic, payload, measurement, category, reason, received_at, size, replays)
values ($1, $2, $3, $4, $5, $6, $7, to_timestamp($8::float8 / 1000), $9, $10)
"""
_ROW = """
select id, at, received_at, device_id, organization_id, topic, measurement, category, reason, size,
       octet_length(payload) < size as cut, replays, replay is not null as waiting
from telemetry.dead_letters
"""
_SELECTED = """
($1::bigint[] is null or id = any($1)) and ($2::text is null or device_id = $2) and ($3::text is null or category = $3)
and ($4::text is null or position(lower($4) in lower(reason)) > 0) and ($5::text is null or organization_id = $5)
and ($6::timestamptz is null or at >= $6) and ($7::timestamptz is null or at < $7)
"""
_TRIM = """
with counted as (
    select id, at, sum(octet_length(payload) + octet_length(reason) + $3) over (order by id desc) as held
    from telemetry.dead_letters
), gone as (
    delete from telemetry.dead_letters d using counted c
    where d.id = c.id and (c.at < now() - make_interval(days => $1) or c.held > $2) returning d.organization_id, d.at
), told as (
    insert into telemetry.dead_letters_gone (organization_id, letters, newest)
    select coalesce(organization_id, '*'), count(*), max(at) from gone group by 1
    on conflict (organization_id) do update
    set letters = dead_letters_gone.letters + excluded.letters, newest = greatest(dead_letters_gone.newest, excluded.newest)
)
select count(*) from gone
"""
_CLAIM = """
select id, device_id, topic, payload, octet_length(payload) < size as cut, measurement, replays, replay,
       (extract(epoch from received_at) * 1000)::bigint as received_at
from telemetry.dead_letters where replay is not null order by replay, id limit $1 for update skip locked
"""
_SIBLINGS = """
select measurement from telemetry.dead_letters
where device_id = $1 and received_at = to_timestamp($2::float8 / 1000) and payload = $3 and id <> $4 and measurement is not null
"""
_FAILED = """
update telemetry.dead_letters d
set measurement = f.measurement, category = f.category, reason = f.reason, replays = d.replays + 1, replay = null
from unnest($1::bigint[], $2::text[], $3::text[], $4::text[]) f (id, measurement, category, reason) where d.id = f.id
"""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much is kept: days, and bytes in all."""

    days: int = 30
    size: int = 256 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which letters are meant; None means any.

    Attributes:
        reason: a part of it, in any case.
        start, end: of the time at which they were buried, start <= at < end.
    """

    ids: Sequence[int] | None = None
    device: str | None = None
    category: str | None = None
    reason: str | None = None
    organization: str | None = None
    start: datetime | None = None
    end: datetime | None = None

    @property
    def arguments(self) -> tuple[object, ...]:
        """As the statements take them."""
        ids = None if self.ids is None else list(self.ids)
        return ids, self.device, self.category, self.reason, self.organization, self.start, self.end

    @property
    def everything(self) -> bool:
        """Whether it leaves nothing out."""
        return all(argument is None for argument in self.arguments)


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterRow:
    """One dead letter without its payload.

    Attributes:
        at: when it was buried.
        received_at: when the message came.
        size: bytes of the message; ``cut``: only their beginning is kept.
        replays: how often it was replayed in vain.
        waiting: whether a replay of it is asked for.
    """

    id: int
    at: datetime
    received_at: datetime
    device_id: str
    organization_id: str | None
    topic: str
    measurement: str | None
    category: str
    reason: str
    size: int
    cut: bool
    replays: int
    waiting: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """What a replay needs of a letter; ``received_at`` in ms since the Unix epoch."""

    id: int
    device_id: str
    topic: str
    payload: bytes
    cut: bool
    measurement: str | None
    replays: int
    replay: str
    received_at: int


@dataclass(frozen=True, slots=True)
class Gone:
    """Letters that went for want of room or because of their age; ``newest``: when the last of them had been buried."""

    letters: int
    newest: datetime | None


async def insert(connection: Connection, letters: Sequence[DeadLetter], replays: int = 0) -> None:
    """Keep letters, within the caller's transaction if there is one; ``replays``: how often they were replayed in vain."""
    if letters:
        await connection.executemany(_INSERT, [(*_record(letter), replays) for letter in letters])


def _record(letter: DeadLetter) -> tuple[object, ...]:
    payload = letter.payload[: SHORT.get(letter.category)]
    return (
        letter.device.id, letter.device.organization, storable(letter.topic), payload, *about(letter), letter.received_at,
        len(letter.payload),
    )  # fmt: skip


def about(letter: DeadLetter) -> tuple[str | None, str, str]:
    """Measurement, category and reason, as they are stored."""
    measurement = None if letter.measurement is None else storable(letter.measurement)
    return measurement, letter.category, storable(letter.reason)[:LONGEST_REASON]


def storable(text: str) -> str:
    """What PostgreSQL takes: no NUL, no half of a surrogate pair."""
    return text.replace("\0", "\\0").encode(errors="backslashreplace").decode()


async def page(connection: "Connection | Pool", wanted: Selection, before: int | None, limit: int) -> list[LetterRow]:
    """Letters, newest first, older than the one with the id ``before``."""
    query = f"{_ROW} where {_SELECTED} and ($8::bigint is null or id < $8) order by id desc limit $9"
    return [LetterRow(**row) for row in await connection.fetch(query, *wanted.arguments, before, limit)]


async def find(connection: Connection, id: int) -> tuple[LetterRow, bytes] | None:  # noqa: A002 - the column's name
    """One letter and its payload; None when there is none, or none that the transaction's tenant may see."""
    row = await connection.fetchrow(f"{_ROW} where id = $1", id)
    if row is None:
        return None
    payload = await connection.fetchval("select payload from telemetry.dead_letters where id = $1", id)
    return LetterRow(**row), bytes(payload or b"")


async def ask_replay(connection: Connection, wanted: Selection, replay: str) -> int:
    """Letters wait for this replay from now on; how many there are. Those that wait for another one do not count."""
    query = f"update telemetry.dead_letters set replay = $8 where {_SELECTED} and replay is null"  # noqa: S608 - constants
    return int((await connection.execute(query, *wanted.arguments, replay)).rsplit(" ", 1)[1])


async def count(connection: Connection, wanted: Selection) -> int:
    """How many letters are meant."""
    query = f"select count(*) from telemetry.dead_letters where {_SELECTED}"  # noqa: S608 - constants
    return int(await connection.fetchval(query, *wanted.arguments))


async def drop(connection: Connection, wanted: Selection) -> int:
    """Delete letters for good; how many there were."""
    query = f"delete from telemetry.dead_letters where {_SELECTED}"  # noqa: S608 - constants
    return int((await connection.execute(query, *wanted.arguments)).rsplit(" ", 1)[1])


async def gone(connection: Connection) -> Gone:
    """What the transaction's tenant has lost to the bounds so far."""
    row = await connection.fetchrow("select coalesce(sum(letters), 0)::bigint, max(newest) from telemetry.dead_letters_gone")
    assert row is not None  # noqa: S101 - an aggregate without GROUP BY has one row
    return Gone(*row.values())


async def trim(pool: Pool, bounds: Bounds) -> int:
    """Delete what is too old or too much, oldest first, and keep count of it; how many there were."""
    return int(await pool.fetchval(_TRIM, bounds.days, bounds.size, ROW_BYTES))


async def claim(connection: Connection, limit: int) -> list[Claimed]:
    """Letters whose replay is asked for, locked until the end of the transaction."""
    return [Claimed(**row) for row in await connection.fetch(_CLAIM, limit)]


async def siblings(connection: Connection, letter: Claimed) -> set[str]:
    """Values of the same message that have letters of their own."""
    rows = await connection.fetch(_SIBLINGS, letter.device_id, letter.received_at, letter.payload, letter.id)
    return {row["measurement"] for row in rows}


async def came_through(connection: Connection, ids: Sequence[int]) -> None:
    """These are no dead letters any more."""
    await connection.execute("delete from telemetry.dead_letters where id = any($1::bigint[])", list(ids))


async def failed(connection: Connection, reasons: Sequence[tuple[int, DeadLetter]]) -> None:
    """These failed again: each stays, with its new reason."""
    told = [(number, *about(letter)) for number, letter in reasons]
    await connection.execute(_FAILED, *([row[i] for row in told] for i in range(4)))
