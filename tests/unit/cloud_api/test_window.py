from array import array
from datetime import UTC, datetime, timedelta

import pytest

from cloud_api.domain.telemetry.averages import Bucket, columns, combined
from cloud_api.domain.telemetry.window import EPOCH, Window, ms, window
from ingest.rollups import Buckets
from iotsphere.errors import InvalidInput

NOW = 1_750_000_000.0
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "text", ["2026-01-31T12:00:00Z", "2026-01-31T13:00:00+01:00", "2026-01-31T12:00Z", "1769860800000", "20260131T120000Z"]
)
def test_a_moment_in_many_forms(text: str) -> None:
    assert window(text, "2026-02-01T00:00:00Z", NOW).start == NOON


def test_defaults() -> None:
    found = window(None, None, NOW)
    assert found.start < datetime.fromtimestamp(NOW, UTC) < found.end  # a reading of this very moment is in it
    assert found.end - found.start == timedelta(hours=1)
    assert window(None, "2026-01-31T12:00:00Z", NOW) == Window(NOON - timedelta(hours=1), NOON)


@pytest.mark.parametrize(
    ("from_", "to", "field"),
    [("x", None, "from"), (None, "x", "to"), ("200000000005", "200000000005", "from"), ("200000000006", "200000000005", "from"),
     ("1769860800", None, "from"), (None, "99999999999", "to"), ("9" * 40, None, "from"), ("", None, "from"),
     ("2026-01-31T12:00:00", None, "from"), (None, "10000-01-01T00:00:00Z", "to"), ("²", None, "from"), ("5.5", None, "from"),
     ("0001-01-01T00:00:00+02:00", None, "from")],
)  # fmt: skip
def test_wrong_ones_are_named(from_: str | None, to: str | None, field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        window(from_, to, NOW)
    assert caught.value.field == field


@pytest.mark.parametrize("text", ["2026-11-25T10:00:00 01:00", "2026-11-25 10:00:00 0100", "2026-11-25T10:00 01"])
def test_a_plus_that_became_a_space_is_told(text: str) -> None:
    with pytest.raises(InvalidInput, match="write it as %2B"):
        window(text, None, NOW)


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00Z", "1969-12-31T23:59:59Z", "-99999999", "0"])
def test_nothing_is_older_than_the_epoch(text: str) -> None:
    assert window(text, None, NOW).start == EPOCH


def test_clipping() -> None:
    day = Window(NOON, NOON + timedelta(days=1))
    assert day.clipped(None) == day
    assert day.clipped(NOON - timedelta(1)) == day
    assert day.clipped(NOON + timedelta(hours=1)).start == NOON + timedelta(hours=1)
    assert day.clipped(NOON + timedelta(days=2)).empty
    assert not day.empty
    assert ms(NOON) == 1769860800000


def test_buckets_of_several_groups_are_put_together_and_means_are_weighted() -> None:
    def buckets(moments: list[int], counts: list[int], value: float) -> Buckets:
        column = array("d", [value] * len(moments))
        sums = array("d", (value * count for count in counts))
        return Buckets(moments=array("q", moments), counts=array("q", counts), sums=sums, lows=column, highs=column)

    found = combined([buckets([60, 120], [3, 1], 1.0), buckets([0, 60], [1, 1], 5.0), Buckets()])
    assert list(found) == [0, 60, 120]
    assert found[60] == Bucket(4, 8.0, 1.0, 5.0)
    assert columns(found).average == [5.0, 2.0, 1.0]
    assert combined([]) == {}


def test_too_many_buckets_are_refused() -> None:
    day = Window(NOON, NOON + timedelta(days=14))
    day.check_buckets(timedelta(minutes=5))
    day.check_buckets(None)
    with pytest.raises(InvalidInput, match="resolution: gives more than 20000"):
        day.check_buckets(timedelta(minutes=1))


def test_seconds_are_told_from_milliseconds() -> None:
    with pytest.raises(InvalidInput, match="looks like seconds: send 1769860800000"):
        window("1769860800", None, NOW)
