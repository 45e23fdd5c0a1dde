"""What may be stored: names, numbers, ranges and clocks. Pure."""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from iotsphere.devices._spec import DeviceType
from iotsphere.errors import Refused
from iotsphere.messages import MAX_EXACT_INTEGER, YEAR_10000_MS

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FUTURE_MS = 5 * 60 * 1000
MINUTE_MS, HOUR_MS = 60_000, 3_600_000
SUMMABLE = 1e290  # as many readings as a bucket can count add up to less than the largest double
# Offsets from UTC that clocks of this world have beside the whole hours from -12 to 14, in minutes.
_ODD_OFFSETS = {-570, -210, -150, 210, 270, 330, 345, 390, 525, 570, 630, 765}
_UNITS = ((1e-3, "seconds"), (1e3, "microseconds"), (1e6, "nanoseconds"))
_RESERVED = "ts"  # stands beside the measurements in a history
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}\Z")

_KINDS = {str: "a text", list: "a list", dict: "an object", type(None): "null", bytes: "binary data"}
Bounds = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Metadata:
    """The metadata column of a device's rows, made once: JSON text or None."""

    good: str | None
    out_of_range: str
    undeclared: str


def metadata(source: str | None) -> Metadata:
    """Metadata texts for rows of a source; None is a real device."""
    origin = {"source": source} if source else {}
    return Metadata(
        json.dumps(origin) if origin else None,
        json.dumps({**origin, "quality": "out_of_range"}),
        json.dumps({**origin, "quality": "undeclared"}),
    )


REAL = metadata(None)
SIMULATED = metadata("simulation")


def metadata_of(kind: str) -> Metadata:
    """The texts for a kind of device: simulated readings always say so."""
    return SIMULATED if kind == "simulated" else REAL


@dataclass(frozen=True, slots=True)
class Declared:
    """What a device type declares.

    Attributes:
        bounds: lowest and highest plausible value of each measurement.
        plain: the same within ±2^53, where a value needs no further look.
    """

    bounds: Mapping[str, Bounds]
    plain: Mapping[str, Bounds]


def declared_by(device_type: DeviceType) -> Declared:
    """The bounds of a type's measurements."""
    bounds = {m.key: (_or(m.low, -math.inf), _or(m.high, math.inf)) for m in device_type.measurements}
    exact = float(MAX_EXACT_INTEGER)
    return Declared(bounds, {key: (max(low, -exact), min(high, exact)) for key, (low, high) in bounds.items()})


def _or(value: float | None, otherwise: float) -> float:
    return otherwise if value is None else value


def quality(name: str, value: float, declared: Declared, texts: Metadata) -> str | None:
    """The metadata of a storable value: the truth is marked, not filtered."""
    bounds = declared.bounds.get(name)
    if bounds is None:
        return texts.undeclared
    return texts.good if bounds[0] <= value <= bounds[1] else texts.out_of_range


def check_name(name: str) -> None:
    """Check a measurement's name.

    Raises:
        Refused: category ``validation``.
    """
    if not _NAME.match(name):
        raise Refused("validation", f"{name[:80]!r} is no measurement name: a letter, then at most 63 of A-Z a-z 0-9 _ . -")
    if name == _RESERVED:
        raise Refused("validation", f"{name!r} is the time of a reading: a measurement needs another name")


def number(value: Any) -> float:
    """A storable number; booleans are 0 and 1.

    Raises:
        Refused: category ``validation``.
    """
    if isinstance(value, int):  # a bool is one too
        if abs(value) > MAX_EXACT_INTEGER:
            raise Refused("validation", "an integer beyond ±2^53 would be rounded")
        return float(value)
    if isinstance(value, float):
        if abs(value) <= SUMMABLE:
            return value
        raise Refused(
            "validation", f"{value} is {'too large to be summed' if math.isfinite(value) else 'no number that can be stored'}"
        )
    raise Refused("validation", f"{_KINDS.get(type(value), 'this')} is no number: text belongs in the shadow or in events")


@dataclass(frozen=True, slots=True)
class Window:
    """Which times are taken, ms since the Unix epoch."""

    now: float
    low: float
    high: float

    @classmethod
    def at(cls, now: float, retention_days: int) -> "Window":
        """The window at a moment (ms)."""
        return cls(now, now - retention_days * 24 * HOUR_MS, now + FUTURE_MS)

    def check(self, ts: float) -> None:
        """Check a time.

        Raises:
            Refused: category ``clock``, with what is probably wrong.
        """
        if not self.low <= ts <= self.high:
            raise Refused("clock", clock_hint(ts, self.now))


def clock_hint(ts: float, now: float) -> str:
    """What is probably wrong with a device's clock."""
    ahead = ts - now
    for factor, unit in _UNITS:
        if abs(ts / factor - now) < 366 * 24 * HOUR_MS:
            return f"ts is in {unit}: milliseconds are wanted"
    if ts < 1e12:
        year = (EPOCH + timedelta(milliseconds=max(ts, 0))).year
        return f"{ts:.0f} ms is in {year}: the clock is not set; send boot and up instead"
    if offset := _offset(ahead):
        return f"{_hours(abs(offset))} {'ahead' if offset > 0 else 'behind'}: local time sent as UTC?"
    if ts > YEAR_10000_MS:
        return "ts is beyond every calendar: milliseconds since 1970 are wanted"
    return f"{abs(ahead) / HOUR_MS:.1f} h {'ahead of now' if ahead > 0 else 'ago, longer than readings are kept'}"


def _offset(ahead: float) -> int:
    """The offset from UTC, in minutes, that a clock is ahead by; 0 when it is none that is in use."""
    if abs(ahead) > 15 * HOUR_MS:
        return 0
    candidates = {60 * round(ahead / HOUR_MS)} | _ODD_OFFSETS
    nearest = min(candidates, key=lambda minutes: abs(ahead - minutes * MINUTE_MS))
    return nearest if abs(ahead - nearest * MINUTE_MS) < FUTURE_MS and -720 <= nearest <= 840 else 0


def _hours(minutes: int) -> str:
    return f"{minutes // 60} h" + (f" {minutes % 60} min" if minutes % 60 else "")
