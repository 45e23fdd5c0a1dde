"""All SQL of telemetry.dead_letters: what could not be stored, with the reason. Bounded by age and number."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ingest.batch import DeadLetter
from iotsphere.infra.postgres import Connection, Pool

KEPT, KEPT_DAYS = 100_000, 30
# Of a message that is wrong in itself the beginning tells enough; what is right and was not stored is kept whole.
SHORT = {"validation": 4096, "clock": 4096}
LONGEST_REASON = 1000

_INSERT = """
insert into telemetry.dead_letters (device_id, organization_id, topic, payload, measurement, category, reason)
values ($1, $2, $3, $4, $5, $6, $7)
"""
_LIST = """
select id, at, topic, payload, measurement, category, reason from telemetry.dead_letters
where device_id = $1 order by id desc limit $2
"""
_TRIM = """
delete from telemetry.dead_letters where at < now() - make_interval(days => $1)
or id <= (select id from telemetry.dead_letters order by id desc offset $2 limit 1)
"""


@dataclass(frozen=True, slots=True)
class LetterRow:
    """One dead letter as it is kept; ``payload`` may be cut."""

    id: int
    at: datetime
    topic: str
    payload: bytes
    measurement: str | None
    category: str
    reason: str


async def insert(connection: Connection, letters: Sequence[DeadLetter]) -> None:
    """Keep letters, within the caller's transaction if there is one."""
    if letters:
        await connection.executemany(_INSERT, [_record(letter) for letter in letters])


def _record(letter: DeadLetter) -> tuple[str, str, str, bytes, str | None, str, str]:
    payload = letter.payload[: SHORT.get(letter.category)]
    measurement = None if letter.measurement is None else _text(letter.measurement)
    reason = _text(letter.reason)[:LONGEST_REASON]
    return letter.device.id, letter.device.organization, _text(letter.topic), payload, measurement, letter.category, reason


def _text(text: str) -> str:
    """What PostgreSQL takes: no NUL, no half of a surrogate pair."""
    return text.replace("\0", "\\0").encode(errors="backslashreplace").decode()


async def list_letters(pool: Pool, device: str, limit: int) -> list[LetterRow]:
    """A device's letters, newest first."""
    return [LetterRow(**row) for row in await pool.fetch(_LIST, device, limit)]


async def trim(pool: Pool) -> None:
    """Drop what is too old or too many."""
    await pool.execute(_TRIM, KEPT_DAYS, KEPT)
