"""Telemetry on the wire. Times are ms since the Unix epoch."""

from collections.abc import Sequence
from typing import Literal

import msgspec


class Marks(msgspec.Struct, kw_only=True, frozen=True):
    """Points of a column that are shown, and counted, though the device's type does not allow them as it is declared now.

    Attributes:
        quality: out_of_range: beyond ``low`` or ``high``, null for none; undeclared: the type does not know the measurement.
        positions: of the points, from 0; of a bucket its lowest or highest reading is out of range. Null: all of them.
    """

    quality: Literal["out_of_range", "undeclared"]
    low: float | None
    high: float | None
    positions: list[int] | None


class DeviceHistory(msgspec.Struct, kw_only=True, frozen=True):
    """Readings in columns: ``columns.ts`` and one column per measurement, all equally long, null where one has no value.

    Attributes:
        unit, title: of the measurements that the device's type declares.
        columns: readings as they came; or for each bucket, which begins at ``ts``, their mean.
        aggregates: of each bucket, what was asked for: by min | max | avg | count | sum | first | last, then by measurement.
        downsampled: whether a column stands for more readings than it has places.
        quality: by measurement, which points are out of range or undeclared; a measurement without any has no entry.
    """

    device: str
    simulated: bool
    unit: dict[str, str]
    title: dict[str, str]
    columns: dict[str, Sequence[float | None]]
    aggregates: dict[str, dict[str, Sequence[float | None]]]
    downsampled: bool
    quality: dict[str, Marks]


class HistoryView(DeviceHistory, kw_only=True, frozen=True, rename={"from_": "from"}):
    """The history of one device.

    Attributes:
        resolution: ``raw``, or the width of a bucket, such as 15m; ``step_s``: the same in seconds, null for raw readings.
    """

    from_: int
    to: int
    resolution: str
    step_s: float | None


class HistoriesView(msgspec.Struct, kw_only=True, frozen=True, rename={"from_": "from"}):
    """Histories of many devices over one stretch, by device id."""

    from_: int
    to: int
    resolution: str
    step_s: float
    devices: list[DeviceHistory]


class ReadingPage(msgspec.Struct, kw_only=True, frozen=True, rename={"from_": "from"}):
    """Raw readings in columns that are equally long, by time and measurement.

    Attributes:
        unit, title: of the measurements in it that the device's type declares.
        source: device | simulation | replay | import | predicted | manual.
        quality: out_of_range | undeclared; null for a good one.
        next_cursor: null on the last page.
    """

    device: str
    simulated: bool
    from_: int
    to: int
    unit: dict[str, str]
    title: dict[str, str]
    ts: list[float]
    measurement: list[str]
    value: list[float | None]
    source: list[str]
    quality: list[str | None]
    next_cursor: str | None


class NewestValue(msgspec.Struct, kw_only=True, frozen=True):
    """The newest reading of a measurement.

    Attributes:
        source: device | simulation | replay | import | predicted | manual.
        quality: out_of_range | undeclared; null for a good one.
    """

    value: float | None
    ts: float
    source: str
    quality: str | None


class LatestReadings(msgspec.Struct, kw_only=True, frozen=True):
    """The newest reading of every measurement of a device."""

    device: str
    simulated: bool
    unit: dict[str, str]
    latest: dict[str, NewestValue]


class Count(msgspec.Struct, frozen=True):
    """How many devices, and how many of their readings lie in the window."""

    devices: int
    readings: int


class AverageColumns(msgspec.Struct, kw_only=True, frozen=True):
    """Buckets in columns that are equally long; ``ts`` is where each begins. A bucket without a reading is not there."""

    ts: list[float]
    average: list[float]
    min: list[float]
    max: list[float]
    count: list[int]


class AverageView(msgspec.Struct, kw_only=True, frozen=True, rename={"from_": "from"}):
    """Mean over all readings of a measurement, those that are out of range too.

    Attributes:
        average: null when there is no reading.
        included: whose readings are in it.
        left_out: simulated devices, unless asked for.
        simulated: whether any of what is included is simulated.
        resolution: the width of the buckets in ``columns``, such as 1h; ``step_s``: the same in seconds.
        quality: buckets that hold readings which no type allows that declares the measurement; null when there are none.
    """

    measurement: str
    unit: str
    from_: int
    to: int
    average: float | None
    included: Count
    left_out: Count
    simulated: bool
    resolution: str
    step_s: float
    columns: AverageColumns
    quality: Marks | None
