"""What a process knows of sequence numbers while batches come and go."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.arrivals import Arrivals
from ingest.intervals import Intervals
from ingest.ledger import SEPARATOR, Kept, Ledger, nameable, number_of, range_of, run_of
from iotsphere.delivery import Delivery
from iotsphere.registry import DeviceRecord
from tests.support.devices import delivery, thermometer

BOOT = "b1"


@dataclass
class Told:
    """What a journal of arrivals adds up to."""

    seen: Counter[int] = field(default_factory=Counter)
    messages: int = 0
    late: int = 0
    declared: set[int] = field(default_factory=set)

    def read(self, arrivals: Arrivals) -> None:
        for first, last in zip(arrivals.firsts, arrivals.lasts, strict=True):
            self.messages += last - first + 1
            self.seen.update(range(first, last + 1))
        for first, last, messages, late in arrivals.odd:
            self.messages += messages
            self.late += late
            if messages:
                self.seen.update(range(first, last + 1))
            else:
                self.declared.update(range(first, last + 1))


class Desk:
    """A ledger that one device writes to."""

    def __init__(self, ledger: Ledger | None = None, device: DeviceRecord | None = None) -> None:
        self.ledger, self.told = ledger or Ledger(), Told()
        self.delivery: Delivery = delivery(b"", device=device or thermometer())

    def known(self, boot: str | int | None = BOOT, kept: Kept | None = None) -> Any:
        found = self.ledger.find(self.delivery, boot)
        if found is None:
            run = run_of(self.delivery, boot)
            self.ledger.learn({run: self.delivery.device}, {run: kept} if kept else {})
            found = self.ledger.find(self.delivery, boot)
        return found

    def begin(self, *numbers: int, ts: float | None = None, boot: str | None = BOOT) -> tuple[Arrivals, list[bool]]:
        arrivals, known = self.ledger.begin(), self.known(boot)
        committed = [self.ledger.note(known, n, ts, boot is not None) for n in numbers]
        self.ledger.seal(arrivals)
        self.told.read(arrivals)
        return arrivals, committed

    def commit(self, *numbers: int, **details: Any) -> list[bool]:
        arrivals, committed = self.begin(*numbers, **details)
        self.ledger.committed(arrivals)
        return committed


@given(st.lists(st.lists(st.integers(0, 60), max_size=30), max_size=8), st.integers(0, 60))
def test_any_order_with_any_repeats_gives_the_right_account(batches: list[list[int]], start: int) -> None:
    desk = Desk()
    numbers = [start + n for batch in batches for n in batch]
    late, highest, came = 0, -1, set[int]()
    for n in numbers:
        late += n < highest and n not in came
        highest = max(highest, n)
        came.add(n)
    for batch in batches:
        before = set(desk.told.seen)
        committed = desk.commit(*(start + n for n in batch))
        true = [start + n in before for n in batch]
        assert all(said <= is_so for said, is_so in zip(committed, true, strict=True)), "never more than is so"
        assert committed == true or not all(true), "and all of it when there is nothing new"
    assert (set(desk.told.seen), desk.told.messages, desk.told.late) == (came, len(numbers), late)


def test_runs_are_told_in_one_entry() -> None:
    desk = Desk()
    arrivals, _ = desk.begin(*range(100, 200))
    assert (arrivals.firsts, arrivals.lasts, arrivals.odd) == ([100], [199], [])
    backlog, _ = desk.begin(*range(100))
    assert (backlog.firsts, backlog.odd) == ([], [[0, 99, 100, 100]])
    again, _ = desk.begin(*range(200))
    assert again.odd == [[0, 199, 200, 0]]
    assert again.counts() == (0, 200, 0, 0)


def test_what_is_on_its_way_is_not_committed() -> None:
    desk = Desk()
    first, _ = desk.begin(1, 2, 3)
    second, repeated = desk.begin(2, 4)
    assert repeated == [False, False]
    desk.ledger.committed(second)
    assert desk.begin(2, 4)[1] == [False, False], "the first one still is"
    desk.ledger.committed(first)
    # The batch above is under way, but there is nothing new in it.
    assert desk.begin(2, 4)[1] == [True, True]


def test_a_batch_that_ends_its_building_late_makes_nothing_certain_too_early() -> None:
    desk = Desk()
    known = desk.known()
    waits, other = desk.ledger.begin(), desk.ledger.begin()
    desk.ledger.note(known, 5, None, True)
    desk.ledger.seal(other)
    desk.ledger.note(known, 6, None, True)
    desk.ledger.seal(waits)
    desk.ledger.committed(waits)
    assert desk.begin(5)[1] == [False]


def test_a_number_of_the_same_batch_is_not_committed() -> None:
    assert Desk().commit(1, 2, 2, 9, 9, 5, 5) == [False] * 7


def test_a_device_that_begins_again_under_an_old_name_is_not_taken_for_repeating_itself() -> None:
    desk = Desk()
    desk.commit(1, 2, 3, ts=1000.0)
    assert desk.commit(1, 2, ts=1000.0) == [True, True]
    assert desk.commit(1, 2, ts=1000.5) == [False, False], "these readings are newer than all it sent under this name"
    assert desk.commit(1, ts=float("nan")) == [False], "with a time that cannot be believed it must reach the dead letters"


def test_numbers_of_a_session_are_counted_and_never_left_out() -> None:
    desk = Desk()
    assert desk.commit(1, 2, boot=None) == [False, False]
    assert desk.commit(1, 2, boot=None) == [False, False]
    assert (desk.told.messages, set(desk.told.seen)) == (4, {1, 2})


def test_what_the_table_knows_is_known() -> None:
    desk = Desk()
    desk.known(kept=Kept(Intervals([(1, 50), (60, 70)]), 1000))
    assert desk.commit(50, 70, 55, ts=1000.0) == [True, True, False]
    assert desk.told.late == 1
    assert desk.commit(71) == [False]


def test_declared_losses_are_told_with_the_batch() -> None:
    desk = Desk()
    arrivals, known = desk.ledger.begin(), desk.known()
    desk.ledger.declare(known, 3, 5)
    desk.ledger.note(known, 6, None, True)
    desk.ledger.seal(arrivals)
    assert arrivals.odd == [[3, 5, 0, 0]]
    assert arrivals.counts() == (1, 0, 0, 3)


def test_the_next_number_of_a_run_at_hand_takes_the_short_way_and_leads_to_the_same() -> None:
    desk = Desk()
    desk.commit(1, 2, ts=5.0)
    arrivals = desk.ledger.begin()
    assert not desk.ledger.follows(desk.delivery, "other", 3, 6.0)
    assert not desk.ledger.follows(desk.delivery, BOOT, 2, 6.0)
    assert [desk.ledger.follows(desk.delivery, BOOT, n, 6.0 + n) for n in (3, 4)] == [True, True]
    desk.ledger.seal(arrivals)
    assert (arrivals.firsts, arrivals.lasts, arrivals.newest) == ([3], [4], [11])


def test_an_integer_names_a_boot_as_its_text_does() -> None:
    desk = Desk()
    known = desk.known(boot="7")
    assert desk.ledger.find(desk.delivery, 7) is known


def test_another_owner_begins_an_account_of_his_own() -> None:
    ledger = Ledger()
    old = Desk(ledger)
    old.commit(1, 2)
    device = old.delivery.device
    new = Desk(ledger, DeviceRecord(device.id, "other", device.device_type, device.kind, "active"))
    assert ledger.find(new.delivery, BOOT) is None
    arrivals, committed = new.begin(2)
    assert committed == [False]
    assert arrivals.keys == [SEPARATOR.join(("other", device.id, "0", BOOT))]


def test_only_so_many_runs_are_remembered_and_the_coldest_go() -> None:
    ledger = Ledger(warm=100)
    desks = [Desk(ledger, thermometer(f"t-{n}")) for n in range(1000)]
    for desk in desks:
        desk.commit(1)
        desks[0].commit(2)
    assert ledger.find(desks[0].delivery, BOOT) is not None, "it was heard of all the time"
    assert all(ledger.find(desk.delivery, BOOT) is not None for desk in desks[-40:])
    assert not any(ledger.find(desk.delivery, BOOT) for desk in desks[1:900])


def test_a_device_with_holes_everywhere_takes_bounded_room() -> None:
    desk = Desk()
    for start in range(0, 20_000, 1000):
        desk.commit(*range(start, start + 1000, 2))
    assert desk.known().seen.ranges <= 256
    assert desk.commit(19_998, 0) == [True, False], "what was forgotten is not known"


@pytest.mark.parametrize("value", [-1, 2**53 + 1, 1.5, True, "1", None, [1]])
def test_what_is_no_number(value: object) -> None:
    assert number_of(value) is None
    assert range_of([value, 5]) is None


@pytest.mark.parametrize(("value", "found"), [([3, 5], (3, 5)), ((3, 3), (3, 3)), ([5, 3], None), ([1], None), ("ab", None)])
def test_ranges(value: object, found: object) -> None:
    assert range_of(value) == found


@pytest.mark.parametrize(
    ("boot", "good"), [(None, True), (5, True), ("b", True), ("", False), ("a\nb", False), ("x" * 65, False)]
)
def test_names(boot: str | int | None, good: bool) -> None:
    assert nameable(boot) is good
