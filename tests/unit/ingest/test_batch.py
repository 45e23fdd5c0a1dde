"""Splitting batches."""

from ingest.batch import Batch, Rows, day_of, letter, moment_of, text_of
from tests.support.devices import delivery, thermometer

DAY_US = 86_400_000_000


def rows(*days: int) -> Rows:
    made = Rows()
    for n, day in enumerate(days):
        device = thermometer(f"t-{n}")
        made.add([(device.id, moment_of(day * DAY_US), key, 1.0, None) for key in ("a", "b")], delivery(b"", device=device))
    return made


def origins(part: Rows) -> list[str]:
    return [part.origin(n).device.id for n in range(len(part))]


def test_days_and_texts() -> None:
    assert day_of(("d", moment_of(20_000 * DAY_US), "a", 1.0, None)) == 20_000
    assert day_of(("d", moment_of(20_000 * DAY_US - 1), "a", 1.0, None)) == 19_999
    assert text_of(moment_of(1)) == "1970-01-01T00:00:00.000001+00:00"


def test_origins_survive_joining_and_splitting() -> None:
    joined = rows(1, 2).followed_by(rows(3))
    assert origins(joined) == ["t-0", "t-0", "t-1", "t-1", "t-0", "t-0"]
    first, second = rows(1, 2, 3).halves()
    assert origins(first) + origins(second) == ["t-0", "t-0", "t-1", "t-1", "t-2", "t-2"]


def test_the_rows_of_some_days_go_apart_and_the_letters_do_not_wait() -> None:
    batch = Batch(rows(1, 2), rows(2), [letter(delivery(b""), None, "clock", "")], {1, 2})
    ready, waiting = batch.without({2})
    assert (origins(ready.fresh), len(ready.doubtful), len(ready.letters), ready.days) == (["t-0", "t-0"], 0, 1, {1})
    assert (origins(waiting.fresh), len(waiting.doubtful), len(waiting.letters), waiting.days) == (["t-1", "t-1"], 2, 0, {2})


def test_halving_ends_with_single_items_and_loses_none() -> None:
    batch = Batch(rows(1, 2, 3), rows(4), [letter(delivery(b""), None, "clock", "")], {1, 2, 3, 4})
    todo, single = [batch], []
    while todo:
        part = todo.pop()
        if part.size() == 1:
            single.append(part)
        else:
            halves = part.halves()
            assert sum(half.size() for half in halves) == part.size()
            assert all(half.size() for half in halves)
            todo += halves
    assert (len(single), sum(len(p.fresh) for p in single), sum(len(p.doubtful) for p in single)) == (9, 6, 2)


def test_letters_alone_are_halved_until_each_is_alone() -> None:
    letters = [letter(delivery(b"x"), None, "store", str(number)) for number in range(3)]
    first, second = Batch(letters=letters).halves()
    assert [found.reason for found in first.letters] == ["0", "1"]
    assert [found.reason for found in second.letters] == ["2"]
