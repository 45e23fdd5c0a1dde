"""The newest reading of a measurement, and how it is written down in Valkey. Pure."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from ingest.batch import Row, unix_us

Newest = dict[tuple[str, str], Row]
"""Device and measurement → row."""


@dataclass(frozen=True, slots=True)
class LatestValue:
    """The newest reading of one measurement.

    Attributes:
        ts: ms since the Unix epoch.
        source: None for a device's own reading, else such as ``simulation``.
        quality: None when nothing is remarkable, else ``out_of_range`` or ``undeclared``.
    """

    value: float | None
    ts: float
    source: str | None = None
    quality: str | None = None


@lru_cache(maxsize=256)
def about(metadata: str | None) -> tuple[str | None, str | None]:
    """Source and quality in a metadata text."""
    found: dict[str, Any] = json.loads(metadata) if metadata else {}
    return found.get("source"), found.get("quality")


def written(row: Row) -> str:
    """``µs value source quality``; a script compares the first word, so the others may be anything without a space."""
    return _line(unix_us(row[1]), float(row[3]), *about(row[4]))


def text_of(value: LatestValue) -> str:
    """The same of a reading that was read from PostgreSQL."""
    return _line(round(value.ts * 1000), value.value, value.source, value.quality)


def _line(micros: int, value: float | None, source: str | None, quality: str | None) -> str:
    return f"{micros} {value!r} {source or '-'} {quality or '-'}"


def read(text: str) -> LatestValue:
    """The reading in such a text."""
    micros, value, source, quality = text.split(" ")
    return LatestValue(float(value), int(micros) / 1000, None if source == "-" else source, None if quality == "-" else quality)


def newer(values: Iterable[Mapping[str, LatestValue]]) -> dict[str, LatestValue]:
    """The newest of each measurement."""
    newest: dict[str, LatestValue] = {}
    for mapping in values:
        for key, value in mapping.items():
            if key not in newest or newest[key].ts < value.ts:
                newest[key] = value
    return newest


def add_newest(newest: Newest, rows: Iterable[Row]) -> None:
    """Keep the newest row of each device and measurement."""
    for row in rows:
        key = (row[0], row[2])
        old = newest.get(key)
        if old is None or old[1] < row[1]:
            newest[key] = row
