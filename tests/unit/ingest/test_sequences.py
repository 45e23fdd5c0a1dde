"""Accounts of sequence numbers: every number is received, declared lost or missing."""

from hypothesis import given
from hypothesis import strategies as st

from ingest.intervals import Intervals
from ingest.sequences import KEPT, RANGES, Account, settle


def account(seen: list[tuple[int, int]], dropped: list[tuple[int, int]] | None = None, messages: int = 0) -> Account:
    return Account(Intervals(seen), Intervals(dropped or []), messages)


def counts(found: Account) -> tuple[int, int, int, int]:
    return found.received, found.missing, found.declared, found.repeated


def test_holes_below_the_highest_are_missing_unless_they_are_declared_lost() -> None:
    found = account([(1, 10), (15, 20), (30, 30)], [(11, 12), (40, 41)], messages=20)
    assert counts(found) == (17, 2 + 9, 4, 3)
    assert list(found.holes()) == [(13, 14), (21, 29)]
    assert found.newest_holes(1) == [(21, 29)]
    assert (found.lowest, found.highest) == (1, 30)


def test_nothing_is_missing_where_nothing_is_known() -> None:
    assert counts(Account()) == (0, 0, 0, 0)
    assert counts(account([], [(5, 9), (20, 20)])) == (0, 0, 6, 0)
    assert counts(account([(1000, 1000)], messages=1)) == (1, 0, 0, 0), "a counter may begin anywhere"


def test_what_was_declared_lost_before_the_first_message_is_part_of_it() -> None:
    assert counts(account([(101, 110)], [(1, 99)], messages=10)) == (10, 1, 99, 0)


def test_what_came_all_the_same_is_not_lost() -> None:
    assert counts(account([(1, 10)], [(4, 6)], messages=10)) == (10, 0, 0, 0)


NUMBERS = st.integers(0, 4 * RANGES)


@given(st.lists(NUMBERS, max_size=3 * RANGES), st.lists(NUMBERS, max_size=3 * RANGES))
def test_settling_changes_no_count_and_bounds_the_ranges(seen: list[int], dropped: list[int]) -> None:
    before = account([(n, n) for n in seen], [(n, n) for n in dropped], len(seen))
    wanted, highest = counts(before), before.highest
    after = settle(before)
    assert counts(after)[0] == wanted[0]
    assert counts(after)[3] == wanted[3]
    assert sum(counts(after)[1:3]) == sum(wanted[1:3])
    assert after.highest == highest
    assert after.seen.ranges <= KEPT
    assert after.dropped.ranges <= KEPT


def test_a_settled_account_goes_on_counting() -> None:
    found = settle(account([(n, n) for n in range(0, 2000, 2)], messages=1000))
    assert counts(found) == (1000, 999, 0, 0)
    found.seen.add(2000, 2009)
    found.messages += 10
    assert counts(found) == (1010, 1000, 0, 0)
    assert found.lowest == found.settled.below
    again = settle(settle(found))
    assert counts(again) == (1010, 1000, 0, 0)
