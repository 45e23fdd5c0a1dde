"""Thinning and aligning columns."""

from array import array

from hypothesis import given
from hypothesis import strategies as st

from ingest.thin import Column, aligned, points_within, thin


def column(points: dict[int, float]) -> Column:
    return Column(array("q", sorted(points)), array("d", [points[m] for m in sorted(points)]))


def points(found: Column) -> dict[int, float]:
    return dict(zip(found.moments, found.values, strict=True))


def test_few_points_are_left_alone() -> None:
    found = column({1: 5.0, 2: 6.0})
    assert thin(found, 2) is found


def test_peaks_and_gaps_stay() -> None:
    full = {n: float(n % 3) for n in range(1000)} | dict.fromkeys(range(3000, 4000), 1.0)
    full[500], full[3300] = 99.0, -99.0
    thinned = points(thin(column(full), 40))
    assert len(thinned) <= 40
    assert thinned[500] == 99.0
    assert thinned[3300] == -99.0
    assert not [m for m in thinned if 1000 <= m < 3000]


def test_a_burst_in_a_long_silence_is_not_one_stretch() -> None:
    burst = column({10_000_000 + 2 * n: float(n % 4) for n in range(19)})
    assert len(points(thin(burst, 5))) == 5
    assert len(points(thin(burst, 10))) == 10


def test_the_newest_reading_is_always_there_and_all_places_are_used() -> None:
    full = column({n: 80.0 if n == 4 else float(n) for n in range(30)})
    found = [points(thin(full, most)) for most in range(1, 9)]
    assert [len(kept) for kept in found] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert all(kept[29] == 29.0 for kept in found)
    assert found[1:4] == [{4: 80.0, 29: 29.0}, {0: 0.0, 4: 80.0, 29: 29.0}, {0: 0.0, 1: 1.0, 4: 80.0, 29: 29.0}]


@given(
    st.dictionaries(st.integers(0, 9999), st.floats(-1e6, 1e6), min_size=1, max_size=300), st.integers(3, 50), st.integers(0, 300)
)
def test_whatever_comes_out_was_there_and_is_few_and_keeps_the_extremes(full: dict[int, float], most: int, cut: int) -> None:
    whole = column(full)
    thinned = thin(whole, most)
    found = points(thinned)
    assert list(thinned.moments) == sorted(thinned.moments)
    assert found.items() <= full.items()
    assert len(found) <= most
    assert thinned.moments[-1] == max(full)
    assert (min(found.values()), max(found.values())) == (min(full.values()), max(full.values()))
    # Page by page keeps the same promises, wherever the pages end.
    edge = sorted(full)[min(cut, len(full) - 1)]
    first = whole.before(edge)
    rest = Column(whole.moments[len(first.moments) :], whole.values[len(first.moments) :])
    paged = points(thin(thin(first, most).followed_by(rest), most))
    assert paged.items() <= full.items()
    assert len(paged) <= most
    assert max(paged) == max(full)
    assert (min(paged.values()), max(paged.values())) == (min(full.values()), max(full.values()))


def test_columns_share_one_line_of_time() -> None:
    moments, values = aligned({"a": column({1: 1.0, 3: 3.0}), "b": column({2: 2.0, 3: 4.0})})
    assert moments == [1, 2, 3]
    assert values == {"a": [1.0, None, 3.0], "b": [None, 2.0, 4.0]}
    assert aligned({}) == ([], {})
    assert aligned({"a": column({5: 1.0})}) == ([5], {"a": [1.0]})


def test_columns_of_the_same_moments_fit_as_they_are() -> None:
    same = {str(n): column(dict.fromkeys(range(100), 1.0)) for n in range(10)}
    assert points_within(same, 1000) >= 100
    assert points_within({}, 1000) == 0


def test_columns_that_share_no_moment_are_thinned_until_their_table_fits() -> None:
    apart = {str(n): column({m: m % 7.0 for m in range(n, 10_000, 10)}) for n in range(10)}
    most = points_within(apart, 20_000)
    moments, values = aligned({name: thin(found, most) for name, found in apart.items()})
    assert 10_000 < len(moments) * len(values) <= 20_000
