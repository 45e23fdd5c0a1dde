"""Dead letters on the wire."""

import base64
from datetime import UTC, datetime
from typing import Annotated, Literal

import msgspec

from cloud_api.domain.telemetry.window import moment
from ingest.dead_letters_table import Gone, LetterRow, Selection
from ingest.payload_text import Format, readable
from ingest.replays_table import Replay
from iotsphere.errors import InvalidInput

MAX_IDS = 1000
Category = Literal["validation", "clock", "conflict", "store"]


class Letter(msgspec.Struct, kw_only=True, frozen=True):
    """Something from a device that could not be stored, and why.

    Attributes:
        at: when it was refused; ``received_at`` when its message came.
        measurement: the one value that is meant; null for the whole message.
        size: bytes of the message; ``cut``: only their beginning is kept, so it cannot be replayed.
        replays: how often it was replayed in vain.
        waiting: whether a replay of it is under way.
    """

    id: int
    at: datetime
    received_at: datetime
    device: str
    organization: str | None
    topic: str
    measurement: str | None
    category: str
    reason: str
    size: int
    cut: bool
    replays: int
    waiting: bool


class Lost(msgspec.Struct, frozen=True):
    """Dead letters that went because of their age or for want of room; ``newest``: when the last of them was refused."""

    letters: int
    newest: datetime | None


class LetterPage(msgspec.Struct, kw_only=True, frozen=True):
    """Newest first; ``next_cursor`` is null on the last page."""

    items: list[Letter]
    next_cursor: str | None
    lost: Lost


class PayloadView(msgspec.Struct, kw_only=True, frozen=True):
    """What is kept of the message: decoded as far as possible for people, and as it came, in Base64."""

    format: Format
    text: str
    base64: str


class LetterDetail(Letter, kw_only=True, frozen=True):
    """A letter with its payload."""

    payload: PayloadView


class Chosen(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, rename={"from_": "from"}):
    """Which letters are meant: those for which all that is given holds. ``all`` must be true when nothing is given."""

    ids: Annotated[list[int], msgspec.Meta(max_length=MAX_IDS)] | None = None
    device: str | None = None
    category: Category | None = None
    reason: str | None = None
    organization: str | None = None
    from_: str | None = None
    to: str | None = None
    all: bool = False


class ReplayView(msgspec.Struct, kw_only=True, frozen=True):
    """What became of a wish to have letters replayed.

    Attributes:
        asked: letters that it was for.
        failed: letters that stay, each with its new reason.
        dropped: letters that were dropped before their turn.
        done: whether none waits any more.
    """

    id: str
    asked_by: str
    asked_at: datetime
    asked: int
    came_through: int
    failed: int
    waiting: int
    dropped: int
    done: bool


class Dropped(msgspec.Struct, frozen=True):
    """How many letters are gone for good."""

    dropped: int


def selection(chosen: Chosen) -> Selection:
    """The selection of a request.

    Raises:
        InvalidInput: nothing is chosen and ``all`` is not true, or a time is none.
    """
    made = Selection(
        ids=chosen.ids, device=chosen.device, category=chosen.category, reason=chosen.reason, organization=chosen.organization,
        start=_moment("from", chosen.from_), end=_moment("to", chosen.to),
    )  # fmt: skip
    if made.everything and not chosen.all:
        raise InvalidInput("all", "must be true when nothing narrows the choice down")
    return made


def _moment(field: str, text: str | None) -> datetime | None:
    return None if text is None else moment(field, text)


def letter(row: LetterRow) -> Letter:
    """A row on the wire."""
    return Letter(
        id=row.id, at=row.at, received_at=row.received_at, device=row.device_id, organization=row.organization_id,
        topic=row.topic, measurement=row.measurement, category=row.category, reason=row.reason, size=row.size, cut=row.cut,
        replays=row.replays, waiting=row.waiting,
    )  # fmt: skip


def detail(row: LetterRow, payload: bytes) -> LetterDetail:
    """A row with its payload."""
    found = readable(payload)
    view = PayloadView(format=found.format, text=found.text, base64=base64.b64encode(payload).decode())
    return LetterDetail(**msgspec.structs.asdict(letter(row)), payload=view)


def lost(gone: Gone) -> Lost:
    """What the bounds took."""
    return Lost(gone.letters, gone.newest.astimezone(UTC) if gone.newest else None)


def replay_view(replay: Replay) -> ReplayView:
    """A wish on the wire."""
    settled = replay.came_through + replay.failed + replay.waiting
    return ReplayView(
        id=replay.id, asked_by=replay.asked_by, asked_at=replay.asked_at, asked=replay.asked, came_through=replay.came_through,
        failed=replay.failed, waiting=replay.waiting, dropped=replay.asked - settled, done=replay.waiting == 0,
    )  # fmt: skip
