"""Readings as they go over the wire: one object, or a list of them; JSON or MessagePack. Pure."""

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

import msgspec

from device_sdk.outbox import Entry, packed
from iotsphere.errors import InvalidInput
from iotsphere.messages import MAX_EXACT_INTEGER, YEAR_10000_MS

Encoding = Literal["json", "msgpack"]
MOST = 500  # readings of a message, however many are handed over at once
CHUNK_BYTES = 64 * 1024  # of a message, unless it is one reading alone
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}\Z").match
_ENCODERS = {"json": msgspec.json.Encoder().encode, "msgpack": msgspec.msgpack.Encoder().encode}
_JOINT = {"json": b",", "msgpack": b""}
_FIX, _SHORT = 15, 0xFFFF


class Reading(NamedTuple):
    """Values of one moment; ``ts`` in ms since the Unix epoch, now when None."""

    values: Mapping[str, float]
    ts: float | None = None


class Telemetry(msgspec.Struct, omit_defaults=True):
    """One object on the wire; ``ts`` in ms since the Unix epoch, or ``up`` in ms since ``boot``; ``seq`` counts within it."""

    ts: float | None = None
    values: dict[str, float] = {}
    seq: int | None = None
    boot: str | None = None
    up: float | None = None


class Lost(msgspec.Struct):
    """Says which numbers of a run will never come."""

    boot: str
    dropped: tuple[int, int]
    values: dict[str, float] = {}


def check_moment(ts: float) -> None:
    """Check that it is a moment of a calendar; whether a clock is right, only the platform can tell.

    Raises:
        InvalidInput: no finite number, before 1970 or after the year 9999.
    """
    if not isinstance(ts, int | float) or not 0 <= ts < YEAR_10000_MS:  # NaN is neither
        raise InvalidInput("ts", "must be ms since the Unix epoch, of a year up to 9999")


def check_values(values: Mapping[str, float]) -> None:
    """Check that the platform can store them.

    Raises:
        InvalidInput: none at all, a bad name, or a value that is no finite number or an integer beyond ±2^53.
    """
    if not values:
        raise InvalidInput("values", "must hold at least one measurement")
    for name, value in values.items():
        if not _NAME(name):
            raise InvalidInput(f"values.{name}", "a name is a letter and up to 63 of A-Z a-z 0-9 _ . -")
        if not isinstance(value, int | float) or not math.isfinite(value):
            raise InvalidInput(f"values.{name}", "must be a finite number; text belongs in report() or event()")
        if isinstance(value, int) and abs(value) > MAX_EXACT_INTEGER:
            raise InvalidInput(f"values.{name}", "an integer must be within ±2^53")


class Encoder:
    """Encodes readings.

    Raises:
        InvalidInput: no such encoding.
    """

    def __init__(self, encoding: Encoding) -> None:
        if encoding not in _ENCODERS:
            raise InvalidInput("encoding", f"must be one of {', '.join(_ENCODERS)}")
        self._encode, self._joint = _ENCODERS[encoding], _JOINT[encoding]

    def bodies(self, readings: Iterable[Telemetry]) -> Iterator[tuple[bytes, int]]:
        """As few messages as they fit in, each without its frame, and how many readings it holds."""
        held: list[bytes] = []
        size = 0
        for encoded in map(self._encode, readings):
            if held and (len(held) >= MOST or size + len(encoded) > CHUNK_BYTES):
                yield self._joint.join(held), len(held)
                held, size = [], 0
            held.append(encoded)
            size += len(encoded) + 1
        if held:
            yield self._joint.join(held), len(held)

    def lost(self, boot: str, first: int, last: int) -> bytes:
        """A whole payload."""
        return self._encode(Lost(boot, (first, last)))


def framed(entries: Sequence[Entry]) -> bytes:
    """The payload of readings that go out as one message; all of them in one encoding."""
    count = sum(entry.count for entry in entries)
    if count == 1:
        return entries[0].body
    if packed(entries[0]):
        return _array(count) + b"".join(entry.body for entry in entries)
    return b"[" + b",".join(entry.body for entry in entries) + b"]"


def _array(count: int) -> bytes:
    """The head of a MessagePack array."""
    if count <= _FIX:
        return bytes((0x90 | count,))
    return b"\xdc" + count.to_bytes(2, "big") if count <= _SHORT else b"\xdd" + count.to_bytes(4, "big")
