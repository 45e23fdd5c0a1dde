"""When a simulated device says what."""

from dataclasses import replace

import pytest

from iotsphere.devices import device_types
from iotsphere.devices._spec import Measurement
from simulator.schedule import Schedule

TYPE = replace(
    next(iter(device_types().values())), measurements=(Measurement("a", "A", interval_s=10), Measurement("b", "B", interval_s=60))
)
READINGS = {"a": 1.0, "b": 2.0}


def test_each_measurement_has_its_own_interval() -> None:
    schedule = Schedule(TYPE)
    assert schedule.interval_s == 10
    assert [sorted(schedule.due(tick, READINGS)) for tick in (0, 1, 5, 6, 12)] == [
        ["a", "b"],
        ["a"],
        ["a"],
        ["a", "b"],
        ["a", "b"],
    ]


@pytest.mark.parametrize(("rate", "interval"), [(1, 1.0), (20, 0.05), (0.1, 10.0)])
def test_a_given_rate_publishes_everything_at_each_tick(rate: float, interval: float) -> None:
    schedule = Schedule(TYPE, rate)
    assert schedule.interval_s == pytest.approx(interval)
    assert all(schedule.due(tick, READINGS) == READINGS for tick in range(7))


def test_a_type_without_intervals_speaks_all_the_same() -> None:
    schedule = Schedule(replace(TYPE, measurements=(Measurement("a", "A", interval_s=None),)))
    assert schedule.interval_s == 10
    assert schedule.due(3, {"a": 1.0}) == {"a": 1.0}
