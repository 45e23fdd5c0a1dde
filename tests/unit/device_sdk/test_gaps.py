"""Dropped numbers."""

from device_sdk.gaps import RANGES, Gap, Gaps


def taken(gaps: Gaps) -> list[tuple[str, int, int]]:
    return [tuple(gap) for gap in iter(gaps.take, None)]


def test_neighbours_are_joined_within_their_boot() -> None:
    gaps = Gaps([Gap("a", 5, 5), Gap("a", 7, 8), Gap("b", 6, 6), Gap("a", 6, 6), Gap("a", 1, 2)])
    assert taken(gaps) == [("a", 1, 2), ("a", 5, 8), ("b", 6, 6)]
    assert not gaps


def test_a_range_is_kept_until_its_acknowledgement_and_told_again_after_a_reconnect() -> None:
    gaps = Gaps([Gap("a", 1, 2), Gap("a", 4, 4)])
    first, second = gaps.take(), gaps.take()
    assert first is not None
    assert gaps.all() == [first, second]
    gaps.told(first)
    gaps.reconnected()
    assert taken(gaps) == [("a", 4, 4)]


def test_their_number_is_bounded_and_none_is_forgotten() -> None:
    gaps = Gaps()
    for n in range(RANGES + 100):
        gaps.add("a", 3 * n, 3 * n)
    found = gaps.all()
    assert len(found) == RANGES
    assert all(any(gap.first <= 3 * n <= gap.last for gap in found) for n in range(RANGES + 100))
