from array import array
from datetime import UTC, datetime, timedelta

import pytest

from ingest.rollups import (
    DAY,
    HOUR,
    MINUTE,
    ORIGIN,
    SOURCES,
    STEPS,
    Buckets,
    Level,
    edges,
    level_of,
    named_sources,
    reads_raw,
    split,
    step_for,
)

START = datetime(2026, 3, 1, tzinfo=UTC)


def test_every_width_is_put_together_from_the_coarsest_level_that_divides_it() -> None:
    assert [level_of(step) for step in STEPS] == [Level.MINUTE] * 4 + [Level.HOUR] * 4 + [Level.DAY] * 2
    assert ORIGIN.weekday() == 0, "weeks begin on Mondays"


@pytest.mark.parametrize(
    ("length", "points", "step"),
    [
        (HOUR, 60, MINUTE),
        (HOUR, 59, 5 * MINUTE),
        (DAY, 500, 5 * MINUTE),
        (30 * DAY, 720, HOUR),
        (30 * DAY, 500, 3 * HOUR),
        (365 * DAY, 500, DAY),
        (3650 * DAY, 10, 7 * DAY),
    ],
)
def test_the_finest_width_that_fits(length: timedelta, points: int, step: timedelta) -> None:
    assert step_for(START, START + length, points) == step


def test_minutes_that_are_gone_are_read_by_the_hour() -> None:
    assert step_for(START, START + DAY, 10_000, START + HOUR) == HOUR
    assert step_for(START + HOUR, START + DAY, 10_000, START + HOUR) == MINUTE


def test_raw_readings_are_read_while_they_are_kept_and_few() -> None:
    assert reads_raw(START, START + HOUR, None, None)
    assert not reads_raw(START, START + DAY, None, None)
    assert reads_raw(START, START + DAY, START, 20_000)
    assert not reads_raw(START, START + DAY, START, 20_001)
    assert not reads_raw(START, START + HOUR, START + MINUTE, 1), "part of it is gone"


def test_buckets_that_are_covered_in_part() -> None:
    assert edges(START, START + DAY, HOUR) == []
    assert edges(START + MINUTE, START + 2 * HOUR + MINUTE, HOUR) == [START, START + 2 * HOUR]
    assert edges(START + MINUTE, START + 2 * MINUTE, DAY) == [START]


def test_averages_and_sources() -> None:
    assert list(Buckets(counts=array("q", [2]), sums=array("d", [5.0])).averages) == [2.5]
    assert named_sources(0b1000011) == ["device", "simulation", "other"]
    assert named_sources(0) == []
    assert len(SOURCES) == 7


def test_a_stretch_is_split_into_whole_buckets() -> None:
    assert split(START, START + DAY, Level.DAY) == ([], {Level.DAY: [(START, START + DAY)], Level.HOUR: [], Level.MINUTE: []})
    second = timedelta(seconds=1)
    low, high = START + 23 * HOUR + 58 * MINUTE + second, START + 2 * DAY + HOUR + 2 * second
    raw, levels = split(low, high, Level.DAY)
    assert raw == [(low, low + MINUTE - second), (high - 2 * second, high)]
    assert levels == {
        Level.DAY: [(START + DAY, START + 2 * DAY)],
        Level.HOUR: [(START + 2 * DAY, START + 2 * DAY + HOUR)],
        Level.MINUTE: [(START + DAY - MINUTE, START + DAY)],
    }
    assert split(low, low + second, Level.HOUR) == ([(low, low + second)], {Level.HOUR: [], Level.MINUTE: []})
