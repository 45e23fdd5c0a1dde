"""What `iotsphere mqtt sub` prints of a message, and of a second of messages. Pure."""

import json
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from iotsphere.terminal import harmless


@dataclass(frozen=True, slots=True)
class Heard:
    """A message as it came; ``at`` in seconds since the Unix epoch."""

    at: float
    topic: str
    payload: bytes
    qos: int
    retain: bool
    dup: bool


@dataclass(frozen=True, slots=True)
class Decoded:
    """A payload and how it was read: ``json``, ``msgpack``, ``text``, ``hex`` or ``empty``; ``content`` is fit for JSON."""

    form: str
    content: Any
    text: str


def decode(payload: bytes) -> Decoded:
    """JSON, or a map or list in MessagePack, or printable text, or hexadecimal."""
    if not payload:
        return Decoded("empty", None, "(empty)")
    for form, read in (("json", msgspec.json.decode), ("msgpack", _map_or_list), ("text", _printable)):
        try:
            content = read(payload)
            text = content if form == "text" else msgspec.json.format(msgspec.json.encode(content), indent=0).decode()
        except (ValueError, TypeError, RecursionError, msgspec.MsgspecError):
            continue
        return Decoded(form, content, harmless(text))
    return Decoded("hex", payload.hex(), payload.hex(" "))


def _map_or_list(payload: bytes) -> Any:
    found = msgspec.msgpack.decode(payload)
    if not isinstance(found, dict | list):
        raise TypeError("any byte below 128 is a number in MessagePack")
    return found


def _printable(payload: bytes) -> str:
    text = payload.decode()
    if not text.isprintable():
        raise ValueError("not printable")
    return text


def line(heard: Heard, decoded: Decoded) -> str:
    """For people."""
    flags = " ".join(("RETAINED",) * heard.retain + ("DUP",) * heard.dup)
    form = "" if decoded.form in ("json", "text", "empty") else decoded.form
    parts = (_clock(heard.at), harmless(heard.topic), f"QoS {heard.qos}", flags, form, decoded.text)
    return "  ".join(part for part in parts if part)


def json_line(heard: Heard, decoded: Decoded) -> str:
    """For programs: one object."""
    return _json(
        {
            "at": _iso(heard.at), "topic": heard.topic, "qos": heard.qos, "retain": heard.retain, "dup": heard.dup,
            "format": decoded.form, "payload": decoded.content,
        }
    )  # fmt: skip


class Rates:
    """Messages and bytes of each topic since the last look."""

    def __init__(self) -> None:
        self._counts: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0])

    def add(self, heard: Heard) -> None:
        """Count one."""
        counts = self._counts[heard.topic]
        counts[0] += 1
        counts[1] += len(heard.payload)

    def lines(self, at: float, seconds: float, *, as_json: bool) -> list[str]:
        """One line for each topic that was heard in the last ``seconds``, the busiest first; counts anew from here."""
        counts, self._counts = self._counts, defaultdict(lambda: [0, 0])
        rows = sorted(counts.items(), key=lambda row: (-row[1][0], row[0]))
        rates = [(topic, messages / seconds, size / seconds) for topic, (messages, size) in rows]
        if as_json:
            return [
                _json({"at": _iso(at), "topic": t, "messages_per_s": round(m, 1), "bytes_per_s": round(b)}) for t, m, b in rates
            ]
        return [f"{_clock(at)}  {m:9.1f} messages/s  {b:11.0f} bytes/s  {harmless(t)}" for t, m, b in rates]


def _json(fields: dict[str, Any]) -> str:
    text = msgspec.json.encode(fields).decode()
    return text if text.isprintable() else json.dumps(json.loads(text))  # all in ASCII: U+009B moves cursors too


def _clock(at: float) -> str:
    return datetime.fromtimestamp(at).astimezone().strftime("%H:%M:%S.%f")[:-3]


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
