"""Sets of whole numbers as few ranges: sequence numbers come in runs, whatever order the runs come in. Pure."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator

Range = tuple[int, int]  # first and last, both within


class Intervals:
    """A set of integers.

    Attributes:
        edges: where the set begins and ends in turns, ascending; each end is the first number outside.
    """

    __slots__ = ("edges",)

    def __init__(self, ranges: Iterable[Range] = ()) -> None:
        self.edges: list[int] = []
        for first, last in ranges:
            self.add(first, last)

    def __contains__(self, number: int) -> bool:
        return bisect_right(self.edges, number) % 2 == 1

    def __iter__(self) -> Iterator[Range]:
        """The ranges, ascending; no two touch."""
        edges = self.edges
        return ((edges[i], edges[i + 1] - 1) for i in range(0, len(edges), 2))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Intervals) and self.edges == other.edges

    __hash__ = None  # type: ignore[assignment]

    def __bool__(self) -> bool:
        return bool(self.edges)

    @property
    def ranges(self) -> int:
        """How many ranges it takes to write the set down."""
        return len(self.edges) // 2

    def size(self) -> int:
        """How many numbers; not len(), which ends at 2^63."""
        return sum(self.edges[1::2]) - sum(self.edges[::2])

    def add(self, first: int, last: int) -> int:
        """Put a range in; returns how many of its numbers were not in before."""
        edges, end = self.edges, last + 1
        if edges and first == edges[-1]:  # what nearly always happens
            edges[-1] = end
            return end - first
        before = self.size()
        low, high = bisect_left(edges, first), bisect_right(edges, end)
        edges[low:high] = [first] * (low % 2 == 0) + [end] * (high % 2 == 0)
        return self.size() - before

    def remove(self, first: int, last: int) -> None:
        """Take a range out."""
        edges, end = self.edges, last + 1
        low, high = bisect_left(edges, first), bisect_right(edges, end)
        edges[low:high] = [first] * (low % 2 == 1) + [end] * (high % 2 == 1)

    def minus(self, other: "Intervals") -> "Intervals":
        """What is in this and not in the other."""
        left = Intervals()
        left.edges = list(self.edges)
        for first, last in other:
            left.remove(first, last)
        return left

    def within(self, first: int, last: int) -> "Intervals":
        """The part between two numbers, both within."""
        left = Intervals()
        left.edges = list(self.edges)
        if left.edges:
            left.remove(min(left.edges[0], first), first - 1)
            left.remove(last + 1, max(left.edges[-1], last) if left.edges else last)
        return left
