"""The newest reading of a measurement, and how it is written down in Valkey. Pure."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from ingest.batch import Row, unix_us


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
    source, quality = about(row[4])
    return f"{unix_us(row[1])} {float(row[3])!r} {source or '-'} {quality or '-'}"


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
