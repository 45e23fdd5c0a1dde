"""Names, numbers, ranges and clocks."""

import math
from typing import Any

import pytest

from ingest.validate import REAL, SIMULATED, Window, check_name, clock_hint, declared_by, metadata_of, number, quality
from iotsphere.errors import Refused
from tests.support.devices import THERMOMETER

NOW = 1_764_000_000_000.0
HOUR = 3_600_000
DECLARED = declared_by(THERMOMETER)


@pytest.mark.parametrize(
    ("value", "stored"),
    [(1, 1.0), (0, 0.0), (True, 1.0), (False, 0.0), (2.5, 2.5), (2**53, 2.0**53), (-(2**53), -(2.0**53)), (-1e290, -1e290)],
)
def test_storable_numbers(value: Any, stored: float) -> None:
    found = number(value)
    assert (type(found), found) == (float, stored)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (2**53 + 1, "beyond ±2^53"),
        (-(2**53) - 1, "beyond ±2^53"),
        (10**400, "beyond ±2^53"),
        (math.nan, "nan"),
        (math.inf, "inf"),
        (1.1e290, "too large to be summed"),
        (-1.7e308, "too large to be summed"),
        ("21.5", "a text is no number"),
        (None, "null is no number"),
        ([1], "a list is no number"),
        ({}, "an object is no number"),
    ],
)
def test_what_is_no_number_is_refused_with_its_reason(value: Any, reason: str) -> None:
    with pytest.raises(Refused, match=r".") as caught:
        number(value)
    assert caught.value.category == "validation"
    assert reason in caught.value.reason


@pytest.mark.parametrize("name", ["t", "tank.temperature_1-b", "A" * 64])
def test_names(name: str) -> None:
    check_name(name)


@pytest.mark.parametrize("name", ["", "1st", "_x", "A" * 65, "a b", "a\0", "ä", "a\n", "\ud800", "ts"])
def test_bad_names(name: str) -> None:
    with pytest.raises(Refused):
        check_name(name)


@pytest.mark.parametrize(
    ("name", "value", "kind", "expected"),
    [
        ("temperature", 20.0, "device", None),
        ("temperature", 120.0, "device", None),
        ("temperature", 120.1, "device", '{"quality": "out_of_range"}'),
        ("other", 1.0, "device", '{"quality": "undeclared"}'),
        ("temperature", 20.0, "simulated", '{"source": "simulation"}'),
        ("temperature", -41.0, "simulated", '{"source": "simulation", "quality": "out_of_range"}'),
        ("other", 1.0, "simulated", '{"source": "simulation", "quality": "undeclared"}'),
        ("pulses", 1e300, "device", None),
    ],
)
def test_the_truth_is_marked_and_a_simulation_always_says_so(name: str, value: float, kind: str, expected: str | None) -> None:
    assert quality(name, value, DECLARED, metadata_of(kind)) == expected


def test_the_kind_of_device_decides_the_source() -> None:
    assert (metadata_of("device"), metadata_of("service"), metadata_of("simulated")) == (REAL, REAL, SIMULATED)


@pytest.mark.parametrize("ago_ms", [0, 30 * 24 * HOUR, -5 * 60_000])
def test_the_window_includes_its_edges(ago_ms: int) -> None:
    Window.at(NOW, 30).check(NOW - ago_ms)


@pytest.mark.parametrize("ago_ms", [30 * 24 * HOUR + 1, -5 * 60_000 - 1, 1e300, -1e300])
def test_outside_the_window_is_a_clock_refusal(ago_ms: float) -> None:
    with pytest.raises(Refused) as caught:
        Window.at(NOW, 30).check(NOW - ago_ms)
    assert caught.value.category == "clock"


@pytest.mark.parametrize(
    ("ts", "hint"),
    [
        (NOW / 1000, "in seconds"),
        (NOW * 1000, "in microseconds"),
        (0.0, "in 1970: the clock is not set"),
        (946_684_800_000.0, "in 2000: the clock is not set"),
        (-5e12, "in 1970: the clock is not set"),
        (NOW + 2 * HOUR + 1000, "2 h ahead: local time"),
        (NOW - 5 * HOUR - 2000, "5 h behind: local time"),
        (NOW + 5.5 * HOUR, "5 h 30 min ahead: local time"),
        (NOW + 12.75 * HOUR + 60_000, "12 h 45 min ahead: local time"),
        (NOW - 9.5 * HOUR, "9 h 30 min behind: local time"),
        (NOW + 1.5 * HOUR, "1.5 h ahead of now"),
        (NOW + 14.8 * HOUR, "14.8 h ahead of now"),
        (NOW + 400_000, "0.1 h ahead of now"),
        (NOW * 1e6, "in nanoseconds"),
        (NOW - 40 * 24 * HOUR, "960.0 h ago"),
        (1e300, "beyond every calendar"),
    ],
)
def test_hints_say_what_is_probably_wrong(ts: float, hint: str) -> None:
    assert hint in clock_hint(ts, NOW)
