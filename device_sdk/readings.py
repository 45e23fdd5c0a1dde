"""Readings as they go over the wire: one object, or a list of them; JSON or MessagePack. Pure."""

import math
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import msgspec

from device_sdk.outbox import Entry, packed
from iotsphere.errors import InvalidInput

Encoding = Literal["json", "msgpack"]
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


def check_values(values: Mapping[str, float]) -> None:
    """Check that they can be stored.

    Raises:
        InvalidInput: none at all, or one that is no finite number.
    """
    if not values:
        raise InvalidInput("values", "must hold at least one measurement")
    for name, value in values.items():
        if not isinstance(value, int | float) or not math.isfinite(value):
            raise InvalidInput(f"values.{name}", "must be a finite number; text belongs in report() or event()")


class Encoder:
    """Encodes readings.

    Raises:
        InvalidInput: no such encoding.
    """

    def __init__(self, encoding: Encoding) -> None:
        if encoding not in _ENCODERS:
            raise InvalidInput("encoding", f"must be one of {', '.join(_ENCODERS)}")
        self._encode, self._joint = _ENCODERS[encoding], _JOINT[encoding]

    def body(self, readings: Sequence[Telemetry]) -> bytes:
        """One after the other, without a frame."""
        return self._joint.join(map(self._encode, readings))

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
