"""Moments with and without a clock."""

from device_sdk.moments import Moments


def test_no_two_moments_are_the_same() -> None:
    moments = Moments(lambda: 12.0, lambda: 0.0)
    assert [moments.now()[0] for _ in range(3)] == [12_000.0, 12_000.001, 12_000.002]


def test_without_a_clock_moments_and_ages_count_from_the_start() -> None:
    times = iter([50.0, 50.25, 51.0, 52.0])
    moments = Moments(None, lambda: next(times))
    assert moments.now() == (None, 250.0)
    assert moments.age_clock() == 1.0
    assert moments.age_of(12345.0) == 2.0


def test_the_life_of_a_command() -> None:
    assert Moments(lambda: 100.0, lambda: 0.0).left(95_000, 110_000) == 10.0
    assert Moments(None, lambda: 0.0).left(95_000, 110_000) == 15.0
