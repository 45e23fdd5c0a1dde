"""Dead letters for the command line. `edge` replays them; here the wish is written down and waited for."""

import asyncio
import base64
import json
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

from cloud_api.tenancy import EVERY_ORGANIZATION, Connection
from ingest import dead_letters_table, replays_table
from ingest.dead_letters_table import CATEGORIES, LetterRow, Selection
from ingest.payload_text import readable
from ingest.replays_table import Replay
from iotsphere.errors import InvalidInput, NotFound
from iotsphere.infra.valkey_signals import nudge
from iotsphere.signals import EDGE_REPLAY
from iotsphere.terminal import harmless

LOOK_EVERY_S = 0.1
COMMAND_LINE = "the command line"


def selection(
    ids: list[int] | None,
    device: str | None = None,
    category: str | None = None,
    reason: str | None = None,
    org: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    *,
    all_of_them: bool = True,
) -> Selection:
    """The letters that the options mean; times without a zone are local.

    Raises:
        InvalidInput: nothing is chosen, and not all of them are meant; or there is no such category.
    """
    if category is not None and category not in CATEGORIES:
        raise InvalidInput("category", f"must be one of {', '.join(CATEGORIES)}")
    made = Selection(
        ids=ids or None, device=device, category=category, reason=reason, organization=org, start=_aware(since), end=_aware(until)
    )
    if made.everything and not all_of_them:
        raise InvalidInput("ID", "say which letters, by ids or options, or --all")
    return made


def _aware(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.astimezone()


async def listed(connection: Connection, wanted: Selection, before: int | None, limit: int) -> list[LetterRow]:
    """Letters, newest first."""
    return await dead_letters_table.page(connection, wanted, before, limit)


async def shown(connection: Connection, number: int) -> dict[str, Any]:
    """One letter with its payload, decoded as far as possible.

    Raises:
        NotFound: there is none.
    """
    found = await dead_letters_table.find(connection, number)
    if found is None:
        raise NotFound(f"there is no dead letter {number}")
    row, payload = found
    return {**as_json(row), "payload": {**asdict(readable(payload)), "base64": base64.b64encode(payload).decode()}}


async def replayed(connection: Connection, redis_url: str, wanted: Selection, wait_s: float) -> Replay:
    """Ask for a replay and wait for its end, so many seconds at most.

    Raises:
        NotFound: there are none of these ids.
    """
    async with connection.transaction():
        asked = await replays_table.ask(connection, wanted, COMMAND_LINE, EVERY_ORGANIZATION)
    _must_be_some(wanted, asked.asked)
    await nudge(redis_url, EDGE_REPLAY, [asked.id])  # its own sweep finds it too, a moment later
    deadline = asyncio.get_running_loop().time() + wait_s
    while asked.waiting and asyncio.get_running_loop().time() < deadline:
        await asyncio.sleep(LOOK_EVERY_S)
        asked = await replays_table.find(connection, asked.id) or replace(asked, waiting=0)
    return asked


async def dropped(connection: Connection, wanted: Selection) -> int:
    """Delete letters for good; how many there were.

    Raises:
        NotFound: there are none of these ids.
    """
    count = await dead_letters_table.drop(connection, wanted)
    _must_be_some(wanted, count)
    return count


def _must_be_some(wanted: Selection, found: int) -> None:
    if wanted.ids and not found:
        raise NotFound(f"there is no dead letter {', '.join(map(str, wanted.ids))}")


def as_json(row: LetterRow | Replay) -> dict[str, Any]:
    """For programs: times in ISO 8601."""
    return {key: value.isoformat() if isinstance(value, datetime) else value for key, value in asdict(row).items()}


def line(row: LetterRow) -> str:
    """For people."""
    again = f", replayed in vain {row.replays} ×" if row.replays else ""
    what = f"{row.measurement}: " if row.measurement else ""
    said = harmless(f"{what}{row.reason}")
    return f"{row.id:>8}  {row.at.astimezone():%Y-%m-%d %H:%M:%S%z}  {row.device_id}  {row.category}  {said}{again}"


def told(shown_letter: dict[str, Any]) -> str:
    """One letter for people."""
    payload = shown_letter["payload"]
    facts = {key: value for key, value in shown_letter.items() if key != "payload" and value is not None}
    lines = [f"{key + ':':<17}{value if isinstance(value, str) else json.dumps(value)}" for key, value in facts.items()]
    return "\n".join(harmless(line) for line in [*lines, f"payload ({payload['format']}):", *payload["text"].splitlines()])


def letters(count: int) -> str:
    """So many, for people."""
    return f"{count:,} dead letter{'' if count == 1 else 's'}"


def outcome(replay: Replay) -> str:
    """What became of a replay, for people."""
    gone = replay.asked - replay.came_through - replay.failed - replay.waiting
    parts = [f"{replay.came_through} of {replay.asked} came through", f"{replay.failed} failed again and stay with their reasons"]
    parts += [f"{replay.waiting} wait still: `edge` replays them as soon as it runs"] if replay.waiting else []
    parts += [f"{gone} were dropped meanwhile"] if gone else []
    return "; ".join(parts)
