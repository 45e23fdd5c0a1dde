"""Telemetry payloads: a fast strict decoder, and a patient one for messages in which only some values are wrong. Pure.

JSON and MessagePack are told apart by the first byte: no JSON text begins with one above 0x7f, every map and array of
MessagePack does.
"""

import json
from typing import Any

import msgspec

from ingest.refusals import Refusals
from iotsphere.errors import Refused

# What the strict decoders raise: a value is wrong, a text is no UTF-8, or it is nested deeper than Python's stack.
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class Telemetry(msgspec.Struct, gc=False):
    """One object of a telemetry payload. ``ts`` and ``up`` in ms."""

    values: dict[str, int | float | bool]
    ts: float | None = None
    seq: int | None = None
    boot: str | int | None = None
    up: float | None = None
    dropped: tuple[int, int] | None = None


class LooseTelemetry(msgspec.Struct):
    """The same with any values; what is wrong is found value by value."""

    values: dict[str, Any]
    ts: float | None = None
    seq: Any = None
    boot: str | int | None = None
    up: float | None = None
    dropped: Any = None


# One object in JSON is what nearly every message is: 0.35 µs for five values.
decode_one = msgspec.json.Decoder(Telemetry).decode
_decode_many = msgspec.json.Decoder(list[Telemetry]).decode
_decode_packed = msgspec.msgpack.Decoder(Telemetry | list[Telemetry]).decode


def decode_many(payload: bytes) -> list[Telemetry]:
    """Decode a list of objects in JSON, or one or several in MessagePack.

    Raises:
        UNREADABLE: at least one value is wrong, or it is something else.
    """
    if not is_packed(payload):
        return _decode_many(payload)
    found = _decode_packed(payload)
    return found if isinstance(found, list) else [found]


def is_packed(payload: bytes) -> bool:
    """Whether it is MessagePack."""
    return payload[:1] >= b"\x80"


def decode_loosely(payload: bytes, refusals: Refusals) -> list[LooseTelemetry]:
    """Decode whatever has the right outline; an object that has not is refused by itself.

    Raises:
        Refused: category ``validation``: neither JSON nor MessagePack.
    """
    found = parse(payload)
    items = found if isinstance(found, list) else [found]
    messages: list[LooseTelemetry] = []
    for item in items:
        try:
            messages.append(_outline(item))
        except Refused as error:
            refusals.add(None, error)
    return messages


def parse(payload: bytes) -> Any:
    """Any JSON or MessagePack. Python's own parser takes NaN, 1e400 and endless integers, so that they can be refused by name.

    Raises:
        Refused: category ``validation``.
    """
    try:
        return msgspec.msgpack.decode(payload) if is_packed(payload) else json.loads(payload)
    except (ValueError, TypeError, RecursionError) as error:  # DecodeError and UnicodeDecodeError are ValueErrors
        raise Refused("validation", f"neither JSON nor MessagePack: {error}") from error


def _outline(item: Any) -> LooseTelemetry:
    try:
        return msgspec.convert(item, LooseTelemetry)
    except (msgspec.ValidationError, RecursionError) as error:
        raise Refused("validation", f'not {{"ts": ms, "values": {{…}}}}: {error}') from error
