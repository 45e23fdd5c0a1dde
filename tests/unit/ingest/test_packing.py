from datetime import date

import pytest

from ingest.packing import GROWN, LEAST_BYTES, SETTLED_SECONDS, due
from ingest.packing_table import Key
from ingest.periods import MINUTES, RAW, Period

BIG = 100 * LEAST_BYTES
DAY, MONTH = RAW.number(date(2026, 3, 31)), MINUTES.number(date(2026, 3, 31))
SETTLED = 1_775_001_600 + SETTLED_SECONDS  # after 2026-04-01 00:00 UTC


@pytest.mark.parametrize(("period", "number"), [(RAW, DAY), (MINUTES, MONTH)])
def test_a_period_is_packed_some_hours_after_its_end(period: Period, number: int) -> None:
    key = Key(number, "k", BIG, None)
    assert not due(key, period, SETTLED - 1)
    assert due(key, period, SETTLED)


@pytest.mark.parametrize(
    ("size", "packed", "expected"),
    [
        (BIG, None, True),
        (BIG, BIG, False),
        (int(BIG * GROWN), BIG, False),
        (int(BIG * GROWN) + 1, BIG, True),
        (LEAST_BYTES, None, True),
        (LEAST_BYTES - 1, None, False),
        (LEAST_BYTES - 1, 1, False),
    ],
)
def test_what_is_packed_is_packed_again_when_it_has_grown_and_little_never(size: int, packed: int | None, expected: bool) -> None:
    assert due(Key(DAY, "k", size, packed), RAW, SETTLED) is expected
