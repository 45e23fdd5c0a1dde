"""A payload as a person can read it, decoded as far as possible. Pure."""

import json
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from ingest.decode import is_packed

Format = Literal["json", "msgpack", "text", "binary"]
BYTES_OF_A_LINE = 16
MOST_INDENTED = 1 << 16  # characters: nesting would make it hundreds of times what came


@dataclass(frozen=True, slots=True)
class PayloadText:
    """A payload in words: JSON, indented unless it is long, for JSON and MessagePack; the text itself; or a hexadecimal dump."""

    format: Format
    text: str


def readable(payload: bytes) -> PayloadText:
    """What the payload is, and how it reads."""
    for decode in (_json, _packed, _text):
        found = decode(payload)
        if found is not None:
            return found
    return PayloadText("binary", _dump(payload))


def _json(payload: bytes) -> PayloadText | None:
    try:
        return PayloadText("json", _indented(json.loads(payload)))
    except (ValueError, RecursionError):
        return None


def _packed(payload: bytes) -> PayloadText | None:
    if not is_packed(payload):
        return None
    try:
        found = msgspec.msgpack.decode(payload)
        if isinstance(found, dict | list):
            return PayloadText("msgpack", _indented(_plain(found)))
    except (msgspec.DecodeError, ValueError, TypeError, RecursionError):
        pass
    return None


def _indented(found: Any) -> str:
    parts, size = [], 0
    for part in json.JSONEncoder(indent=2, ensure_ascii=False).iterencode(found):
        size += len(part)
        if size > MOST_INDENTED:
            return json.dumps(found, ensure_ascii=False)
        parts.append(part)
    return "".join(parts)


def _plain(value: Any) -> Any:
    """MessagePack knows more kinds of keys and values than JSON: those are written in Python's way."""
    if isinstance(value, dict):
        return {key if isinstance(key, str) else repr(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value if isinstance(value, str | int | float | bool | None) else repr(value)


def _text(payload: bytes) -> PayloadText | None:
    """UTF-8 that says something: what is cut in the middle of a character reads up to there."""
    try:
        text = payload.decode()
    except UnicodeDecodeError as error:
        if error.start < len(payload) - 3 or not error.start:
            return None
        text = payload[: error.start].decode()
    return PayloadText("text", text) if all(c.isprintable() or c in "\t\r\n" for c in text) else None


def _dump(payload: bytes) -> str:
    lines = (payload[start : start + BYTES_OF_A_LINE] for start in range(0, len(payload), BYTES_OF_A_LINE))
    return "\n".join(f"{line.hex(' '):<47}  {''.join(chr(b) if 32 <= b < 127 else '.' for b in line)}" for line in lines)
