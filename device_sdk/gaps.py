"""Sequence numbers that were dropped and that the platform has not been told of yet. Pure."""

from bisect import bisect_left
from collections.abc import Iterable
from typing import NamedTuple

RANGES = 256  # of a boot; policy beyond: the two that lie closest become one. What comes all the same does not count as lost.


class Gap(NamedTuple):
    """Numbers of one boot, both ends included."""

    boot: str
    first: int
    last: int


class Gaps:
    """Ranges by boot. A range that is on its way is kept apart until its PUBACK."""

    def __init__(self, known: Iterable[Gap] = ()) -> None:
        self._ranges: dict[str, list[tuple[int, int]]] = {}
        self._on_the_way: list[Gap] = []
        for gap in known:
            self.add(*gap)

    def __bool__(self) -> bool:
        return bool(self._ranges)

    def all(self) -> list[Gap]:
        """Everything that is not acknowledged, that on its way included."""
        waiting = [Gap(boot, first, last) for boot, ranges in self._ranges.items() for first, last in ranges]
        return [*self._on_the_way, *waiting]

    def add(self, boot: str, first: int, last: int) -> None:
        """Add a range; neighbours become one."""
        ranges = self._ranges.setdefault(boot, [])
        at = bisect_left(ranges, (first, last))
        ranges.insert(at, (first, last))
        _join(ranges, at)
        if at:
            _join(ranges, at - 1)
        if len(ranges) > RANGES:
            closest = min(range(len(ranges) - 1), key=lambda i: ranges[i + 1][0] - ranges[i][1])
            ranges[closest : closest + 2] = [(ranges[closest][0], ranges[closest + 1][1])]

    def take(self) -> Gap | None:
        """The lowest range of the oldest boot; on its way until told()."""
        for boot, ranges in self._ranges.items():
            gap = Gap(boot, *ranges.pop(0))
            if not ranges:
                del self._ranges[boot]
            self._on_the_way.append(gap)
            return gap
        return None

    def told(self, gap: Gap) -> None:
        """Its PUBACK came."""
        if gap in self._on_the_way:
            self._on_the_way.remove(gap)

    def reconnected(self) -> None:
        """What was on its way is to be told again."""
        again, self._on_the_way = self._on_the_way, []
        for gap in again:
            self.add(*gap)


def _join(ranges: list[tuple[int, int]], at: int) -> None:
    while at + 1 < len(ranges) and ranges[at + 1][0] <= ranges[at][1] + 1:
        ranges[at : at + 2] = [(ranges[at][0], max(ranges[at][1], ranges[at + 1][1]))]
