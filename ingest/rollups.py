"""What a rollup is: a measurement in buckets of equal width, and which width answers a question. Pure."""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import IntEnum

ORIGIN = datetime(2000, 1, 3, tzinfo=UTC)  # buckets of every width are counted from here: a Monday
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
STEPS = tuple(timedelta(minutes=m) for m in (1, 5, 15, 30, 60, 180, 360, 720, 1440, 7 * 1440))
RAW_HOURS = 2  # a stretch so short is read from raw readings without asking how many there are
RAW_READINGS = 20_000  # more than these are not read one by one for a picture
SOURCES = ("device", "simulation", "replay", "import", "predicted", "manual", "other")
"""Provenance of a reading, in the order of the bits of a bucket; the same as in telemetry.source_bit()."""


class Level(IntEnum):
    """Which widths are kept; every other one is put together from the next finer of these."""

    MINUTE = 0
    HOUR = 1
    DAY = 2

    @property
    def width(self) -> timedelta:
        """Of its buckets."""
        return (MINUTE, HOUR, DAY)[self]


def level_of(step: timedelta) -> Level:
    """The level that buckets of a width of STEPS are put together from."""
    return max(level for level in Level if step % level.width == timedelta())


@dataclass(frozen=True, slots=True)
class Buckets:
    """One measurement in columns of equal length, in the order of time. A bucket without a reading is not there.

    Attributes:
        moments: where each begins, µs since 2000-01-01 UTC, as in thin.Column.
        counts, sums, lows, highs: of the readings in it.
        firsts, lasts: the earliest and the latest reading, by event time; empty when devices were put together.
        sources: bit i is set when a reading is of SOURCES[i].
    """

    moments: "array[int]" = field(default_factory=lambda: array("q"))
    counts: "array[int]" = field(default_factory=lambda: array("q"))
    sums: "array[float]" = field(default_factory=lambda: array("d"))
    lows: "array[float]" = field(default_factory=lambda: array("d"))
    highs: "array[float]" = field(default_factory=lambda: array("d"))
    firsts: "array[float]" = field(default_factory=lambda: array("d"))
    lasts: "array[float]" = field(default_factory=lambda: array("d"))
    sources: "array[int]" = field(default_factory=lambda: array("q"))

    @property
    def averages(self) -> "array[float]":
        """Mean of each bucket."""
        return array("d", (total / count for total, count in zip(self.sums, self.counts, strict=True)))


def named_sources(bits: int) -> list[str]:
    """The names of the bits."""
    return [name for position, name in enumerate(SOURCES) if bits >> position & 1]


def step_for(start: datetime, end: datetime, max_points: int, minutes_since: datetime | None = None) -> timedelta:
    """The finest of STEPS that has at most ``max_points`` buckets in [start, end); the widest when none has.

    Args:
        minutes_since: buckets by the minute are kept from here on; a stretch that begins before is read by the hour.
    """
    for step in STEPS:
        gone = minutes_since is not None and start < minutes_since and level_of(step) is Level.MINUTE
        if not gone and (end - start) / step <= max_points:
            return step
    return STEPS[-1]


def reads_raw(start: datetime, end: datetime, raw_since: datetime | None, readings: int | None) -> bool:
    """Whether [start, end) is read from raw readings.

    Args:
        raw_since: they are kept from here on.
        readings: how many there are, None when it was not asked for.
    """
    if raw_since is not None and start < raw_since:
        return False
    return end - start <= timedelta(hours=RAW_HOURS) or (readings is not None and readings <= RAW_READINGS)


def edges(start: datetime, end: datetime, width: timedelta) -> Sequence[datetime]:
    """The buckets of a width that [start, end) covers in part."""
    floors = (ORIGIN + (moment - ORIGIN) // width * width for moment in (start, end))
    return sorted({floor for floor, moment in zip(floors, (start, end), strict=True) if floor != moment})


Stretch = tuple[datetime, datetime]


def split(start: datetime, end: datetime, level: Level) -> tuple[list[Stretch], dict[Level, list[Stretch]]]:
    """[start, end) in stretches of whole buckets, each of the coarsest level that fits, and what is left for raw readings."""
    left, levels = [(start, end)], {}
    for lower in sorted((one for one in Level if one <= level), reverse=True):
        levels[lower], left = _whole(left, lower.width)
    return left, levels


def _whole(stretches: Sequence[Stretch], width: timedelta) -> tuple[list[Stretch], list[Stretch]]:
    """The parts that are whole buckets, and the others."""
    whole, others = [], []
    for low, high in stretches:
        first, last = ORIGIN - (ORIGIN - low) // width * width, ORIGIN + (high - ORIGIN) // width * width
        if first < last:
            whole.append((first, last))
            others += [part for part in ((low, first), (last, high)) if part[0] < part[1]]
        else:
            others.append((low, high))
    return whole, others
