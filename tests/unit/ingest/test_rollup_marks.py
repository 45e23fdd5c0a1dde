import asyncio

import pytest

from ingest.batch import Row
from ingest.rollup_marks import MINUTE_US, Marks, keys_of


def row(device: str, micros: int) -> Row:
    return device, (micros,), "m", 1.0, None


def test_the_keys_of_rows_are_devices_and_minutes() -> None:
    shared = (5 * MINUTE_US,)
    rows = [row("a", 0), row("a", MINUTE_US - 1), row("a", MINUTE_US), row("b", -1), ("a", shared, "m", 1.0, None)]
    assert keys_of([*rows, ("b", shared, "m", 1.0, None)]) == {("a", 0), ("a", 1), ("b", -1), ("a", 5), ("b", 5)}


async def test_a_mark_that_is_durable_is_relied_on_until_it_is_withdrawn() -> None:
    marks = Marks()
    needed = marks.needed({("a", 1), ("a", 2)})
    assert needed.keys == {("a", 1), ("a", 2)}
    marks.committed(needed)
    assert marks.needed({("a", 1), ("b", 1)}).keys == {("b", 1)}
    assert await marks.withdraw([("a", 1)])
    assert marks.needed({("a", 1), ("a", 2)}).keys == {("a", 1)}
    marks.forget()
    assert marks.needed({("a", 2)}).keys == {("a", 2)}


async def test_a_commit_that_is_heard_of_after_a_withdrawal_is_not_relied_on() -> None:
    marks = Marks()
    needed = marks.needed({("a", 1)})
    await marks.withdraw([("a", 1)])
    marks.committed(needed)
    assert marks.needed({("a", 1)}).keys == {("a", 1)}


async def test_a_withdrawal_waits_for_the_batches_in_flight_and_not_for_later_ones() -> None:
    marks = Marks()
    with marks.flight():
        withdrawal = asyncio.create_task(marks.withdraw([("a", 1)]))
        await asyncio.sleep(0)
        later = marks.flight()
        later.__enter__()
        assert not withdrawal.done()
    assert await withdrawal
    later.__exit__(None, None, None)


async def test_after_a_batch_was_given_up_nothing_is_certain() -> None:
    marks = Marks()
    with pytest.raises(asyncio.CancelledError), marks.flight():
        raise asyncio.CancelledError
    assert not await marks.withdraw([("a", 1)])


def test_too_many_keys_are_all_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.rollup_marks.MOST", 2)
    marks = Marks()
    for number in range(4):
        marks.committed(marks.needed({("a", number)}))
    assert marks.needed({("a", number) for number in range(4)}).keys == {("a", 0), ("a", 1), ("a", 2)}
