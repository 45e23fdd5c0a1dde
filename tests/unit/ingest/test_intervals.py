"""Sets of numbers as ranges, against Python's own sets."""

from hypothesis import given
from hypothesis import strategies as st

from ingest.intervals import Intervals

NUMBERS = st.integers(0, 40)
RANGES = st.tuples(NUMBERS, st.integers(0, 6)).map(lambda r: (r[0], r[0] + r[1]))
CHANGES = st.lists(st.tuples(st.booleans(), RANGES), max_size=20)


def members(intervals: Intervals) -> set[int]:
    return {n for first, last in intervals for n in range(first, last + 1)}


def made(ranges: list[tuple[int, int]]) -> tuple[Intervals, set[int]]:
    return Intervals(ranges), {n for first, last in ranges for n in range(first, last + 1)}


@given(CHANGES)
def test_adding_and_removing_is_what_sets_do(changes: list[tuple[bool, tuple[int, int]]]) -> None:
    intervals, plain = Intervals(), set[int]()
    for add, (first, last) in changes:
        span = set(range(first, last + 1))
        if add:
            assert intervals.add(first, last) == len(span - plain)
            plain |= span
        else:
            intervals.remove(first, last)
            plain -= span
        assert members(intervals) == plain
        assert intervals.size() == len(plain)
        assert [n in intervals for n in range(-1, 50)] == [n in plain for n in range(-1, 50)]


@given(st.lists(RANGES, max_size=12))
def test_there_are_never_more_ranges_than_needed(ranges: list[tuple[int, int]]) -> None:
    intervals, plain = made(ranges)
    assert intervals.ranges == sum(n - 1 not in plain for n in plain)
    assert intervals == Intervals(ranges[::-1])


@given(st.lists(RANGES, max_size=8), st.lists(RANGES, max_size=8), NUMBERS, NUMBERS)
def test_differences_and_parts(a: list[tuple[int, int]], b: list[tuple[int, int]], first: int, last: int) -> None:
    (one, plain), (other, plain_other) = made(a), made(b)
    assert members(one.minus(other)) == plain - plain_other
    assert members(one.within(first, last)) == {n for n in plain if first <= n <= last}
    assert members(one) == plain, "neither changes what it is asked of"


def test_sizes_beyond_what_len_can_tell() -> None:
    assert Intervals([(0, 2**63)]).size() == 2**63 + 1
