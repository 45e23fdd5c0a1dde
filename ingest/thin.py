"""Thinning a column of readings so that its peaks stay visible. Pure."""

from array import array
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Column:
    """One measurement in the order of time: µs since 2000, and values."""

    moments: "array[int]"
    values: "array[float]"

    def before(self, moment: int) -> "Column":
        """What is earlier."""
        position = bisect_left(self.moments, moment)
        return Column(self.moments[:position], self.values[:position])

    def followed_by(self, other: "Column") -> "Column":
        """This and what comes later."""
        return Column(self.moments + other.moments, self.values + other.values)


def thin(column: Column, max_points: int) -> Column:
    """At most ``max_points`` readings: the last one, and the lowest and the highest of equal stretches of the time before it.

    The first one fills up an even number; of two, one is what lies furthest from the last. What was thinned already comes out
    as it is. An empty stretch stays empty.
    """
    if len(column.moments) <= max_points:
        return column
    kept = _kept(column, max_points)
    return Column(array("q", (column.moments[p] for p in kept)), array("d", (column.values[p] for p in kept)))


def _kept(column: Column, max_points: int) -> list[int]:
    """Positions in their order; there are more than can be kept."""
    values, last = column.values, len(column.values) - 1
    if max_points < 2:
        return [last]
    if max_points == 2:
        return [max(range(last), key=lambda p: abs(values[p] - values[last])), last]
    kept = [] if max_points % 2 else [0]
    for low, high in _stretches(column.moments, len(kept), last, (max_points - 1) // 2):
        stretch = values[low:high]
        kept += sorted({low + stretch.index(min(stretch)), low + stretch.index(max(stretch))})
    return [*kept, last]


def _stretches(moments: "array[int]", low: int, stop: int, count: int) -> Iterator[tuple[int, int]]:
    """Positions [low, high) of each stretch between the two that is not empty."""
    start, end = moments[low], moments[stop - 1] + 1
    while low < stop:
        number = (moments[low] - start) * count // (end - start)
        edge = -(-(end - start) * (number + 1) // count) + start
        high = bisect_left(moments, edge, low, stop)
        yield low, high
        low = high


def points_within(columns: Mapping[str, Column], cells: int) -> int:
    """Readings a column may have so that all of them, aligned, have at most so many cells, whatever moments they share."""
    moments = set[int]().union(*(column.moments for column in columns.values()))
    if len(moments) * len(columns) <= cells:
        return len(moments)
    return max(2, cells // len(columns) ** 2)


def aligned(columns: Mapping[str, Column]) -> tuple[list[int], dict[str, list[float | None]]]:
    """One list of all moments, and each column along it with None where it has no reading."""
    if len(columns) == 1:
        [(name, column)] = columns.items()
        return list(column.moments), {name: list(column.values)}
    moments = sorted({moment for column in columns.values() for moment in column.moments})
    place = {moment: position for position, moment in enumerate(moments)}
    values: dict[str, list[float | None]] = {}
    for name, column in columns.items():
        line: list[float | None] = [None] * len(moments)
        for moment, value in zip(column.moments, column.values, strict=True):
            line[place[moment]] = value
        values[name] = line
    return moments, values
