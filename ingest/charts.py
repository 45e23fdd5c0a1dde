"""Histories as pictures need them: raw where that is little, else in buckets, of one device or of many. Columns throughout."""

import asyncio
from array import array
from collections.abc import Mapping, Sequence, Set
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta

from ingest.batch import POSTGRES_EPOCH_US
from ingest.history import History, Series
from ingest.resolution import RAW
from ingest.rollups import Buckets, named_sources, reads_raw, step_for
from iotsphere.errors import InvalidInput

COUNTED = timedelta(days=7)  # a longer stretch is not counted reading by reading: its buckets tell as much
CELLS = 2_000_000  # of an answer
MEASUREMENTS = 10  # of a device, when it is not said which
RAW_READS = 2  # at once, of stretches that may be as long as they like

Columns = Mapping[str, Sequence[float | None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a chart shows.

    Attributes:
        start, end: start <= time < end.
        measurements: None means all; ``first`` come first when there are too many.
        step: RAW, one of rollups.STEPS, or None: whatever fits ``max_points``.
        aggregates: of resolution.AGGREGATES, for each bucket.
        raw_since: raw readings are kept from here on.
        organization: the owner, which may keep its raw readings for less.
    """

    start: datetime
    end: datetime
    measurements: Sequence[str] | None
    max_points: int
    step: timedelta | None = None
    aggregates: Sequence[str] = ()
    first: Sequence[str] = ()
    raw_since: datetime | None = None
    organization: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """The answer of one device. Columns are as long as ``ts`` (ms since the Unix epoch), None where there is nothing.

    Attributes:
        step: width of the buckets, whose beginnings ``ts`` are; RAW: readings.
        values: readings, or the mean of each bucket.
        lows, highs: lowest and highest of each bucket; of readings the values themselves.
        aggregates: by name, the columns that were asked for; of buckets only.
        sources: where the readings come from; empty when it was not looked at.
        downsampled: whether a column stands for more readings than it has places.
    """

    step: timedelta
    ts: Sequence[float]
    values: Columns
    lows: Columns
    highs: Columns
    aggregates: Mapping[str, Columns]
    sources: Sequence[str]
    downsampled: bool


class Charts:
    """Chooses how finely to read, and reads."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._raw_reads = asyncio.Semaphore(RAW_READS)

    async def one(self, device: str, asked: Question) -> Chart:
        """The chart of a device.

        Raises:
            StoreUnavailable: PostgreSQL is away.
        """
        if await self._is_raw(device, asked):
            async with self._raw_reads if asked.step == RAW else nullcontext():
                series = await self._history.history(
                    device, asked.start, asked.end, asked.measurements, asked.max_points, first=asked.first
                )
            return _raw(series)
        return (await self.many([device], asked))[device]

    async def _is_raw(self, device: str, asked: Question) -> bool:
        if asked.step is not None:
            return asked.step == RAW
        since = max(filter(None, (asked.raw_since, await self._history.raw_since(asked.organization))), default=None)
        if reads_raw(asked.start, asked.end, since, None):
            return True
        if asked.end - asked.start > COUNTED:
            return False
        readings = await self._history.count(device, asked.start, asked.end, asked.measurements)
        return reads_raw(asked.start, asked.end, since, readings)

    async def rolled_up(self, device: str, measurements: Sequence[str]) -> Set[str]:
        """Those of the measurements that a chart of the device can show though no reading of them is left.

        Raises:
            StoreUnavailable: PostgreSQL is away.
        """
        return await self._history.rolled_up(device, measurements)

    async def many(self, devices: Sequence[str], asked: Question) -> Mapping[str, Chart]:
        """Charts in buckets of devices that are read over the same stretch, in one statement.

        Raises:
            StoreUnavailable: PostgreSQL is away.
        """
        step = asked.step or step_for(asked.start, asked.end, most_points(len(devices), asked))
        found = await self._history.rollups(devices, asked.measurements, asked.start, asked.end, step)
        return {device: _chart(found[device], step, asked) for device in devices}


def _raw(found: Series) -> Chart:
    return Chart(
        step=RAW, ts=found.ts, values=found.values, lows=found.values, highs=found.values, aggregates={}, sources=(),
        downsampled=found.downsampled,
    )  # fmt: skip


def most_points(devices: int, asked: Question) -> int:
    """Points of a column, so that the whole answer stays within CELLS."""
    return max(1, min(asked.max_points, CELLS // _columns(devices, asked)))


def check_cells(devices: int, asked: Question) -> None:
    """Check buckets of a width that was chosen; other widths follow from most_points().

    Raises:
        InvalidInput: the answer would have more than CELLS.
    """
    if asked.step and (asked.end - asked.start) / asked.step * _columns(devices, asked) > CELLS:
        raise InvalidInput(
            "resolution", f"gives more than {CELLS:,} values over this stretch: choose a coarser one, or ask for less"
        )


def _columns(devices: int, asked: Question) -> int:
    return max(1, devices * (len(asked.measurements) if asked.measurements else MEASUREMENTS) * (1 + len(asked.aggregates)))


def _chart(found: Mapping[str, Buckets], step: timedelta, asked: Question) -> Chart:
    moments = sorted({moment for buckets in found.values() for moment in buckets.moments})
    place = {moment: position for position, moment in enumerate(moments)}
    bits = 0
    for buckets in found.values():
        for source in set(buckets.sources):
            bits |= source
    return Chart(
        step=step,
        ts=[(moment + POSTGRES_EPOCH_US) / 1000 for moment in moments],
        values={name: _spread(buckets, "avg", place) for name, buckets in found.items()},
        lows={name: _along(buckets, "min", place) for name, buckets in found.items()},
        highs={name: _along(buckets, "max", place) for name, buckets in found.items()},
        aggregates={kind: {name: _spread(buckets, kind, place) for name, buckets in found.items()} for kind in asked.aggregates},
        sources=named_sources(bits),
        downsampled=any(count > 1 for buckets in found.values() for count in buckets.counts),
    )


def _along(buckets: Buckets, kind: str, place: Mapping[int, int]) -> Sequence[float | None]:
    """The same to look at and not to send: as it is where it has no gap, which takes no memory."""
    column = column_of(buckets, kind)
    return column if len(column) == len(place) else _spread(buckets, kind, place)


def _spread(buckets: Buckets, kind: str, place: Mapping[int, int]) -> Sequence[float | None]:
    """A column along all moments of the chart."""
    column = column_of(buckets, kind)
    if len(column) == len(place):
        return list(column)
    line: list[float | None] = [None] * len(place)
    for moment, value in zip(buckets.moments, column, strict=True):
        line[place[moment]] = value
    return line


def column_of(buckets: Buckets, kind: str) -> "array[float] | array[int]":
    """The column of an aggregate."""
    columns: dict[str, array[float] | array[int]] = {
        "min": buckets.lows, "max": buckets.highs, "count": buckets.counts, "sum": buckets.sums,
        "first": buckets.firsts, "last": buckets.lasts,
    }  # fmt: skip
    return buckets.averages if kind == "avg" else columns[kind]
