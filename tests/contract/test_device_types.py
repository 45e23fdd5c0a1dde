"""What every device type must hold."""

import math
import re
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iotsphere.devices import device_types
from iotsphere.devices._spec import Command, DeviceType, Property, SimulationState, refusal, value_fault
from iotsphere.errors import InvalidInput

NOW = 1_760_000_000.0
NAME = re.compile(r"[a-z][a-z0-9_]*\Z")
every_type = pytest.mark.parametrize("device_type", device_types().values(), ids=list(device_types()))


def value_of(prop: Property) -> st.SearchStrategy[Any]:
    if prop.options:
        return st.sampled_from(prop.options)
    low, high = -1000 if prop.low is None else prop.low, 1000 if prop.high is None else prop.high
    match prop.kind:
        case "number":
            return st.floats(low, high)
        case "integer":
            return st.integers(math.ceil(low), math.floor(high))
        case "boolean":
            return st.booleans()
    return st.text(max_size=20)


def params_of(command: Command) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({p.key: value_of(p) for p in command.params})


def desired_of(device_type: DeviceType) -> st.SearchStrategy[dict[str, Any]]:
    writable = {p.key: value_of(p) for p in device_type.properties if p.writable}
    return st.fixed_dictionaries({}, optional=writable)


def fresh(device_type: DeviceType, seed: int, desired: dict[str, Any]) -> tuple[SimulationState, Random]:
    rng = Random(seed)
    state = device_type.initial(rng)
    state.desired, state.clock_s = dict(desired), NOW
    return state, rng


def life(device_type: DeviceType, seed: int, desired: dict[str, Any], steps: list[float]) -> list[tuple[Any, ...]]:
    state, rng = fresh(device_type, seed, desired)
    found = []
    for dt in steps:
        result = device_type.step(state, dt, rng)
        found.append((dict(result.readings), dict(result.reported), result.events, state.clock_s))
    return found


@every_type
def test_the_declaration_is_consistent(device_type: DeviceType) -> None:
    for keys in (
        [m.key for m in device_type.measurements],
        [p.key for p in device_type.properties],
        [c.name for c in device_type.commands],
        [*(c.name for c in device_type.commands), *(p.key for p in device_type.properties)],  # a name is one channel's
        [r.name for r in device_type.alert_rules],
    ):
        assert len(set(keys)) == len(keys)
        assert all(NAME.match(key) for key in keys)
    assert NAME.match(device_type.key)
    assert re.match(r"[a-z][a-z0-9-]*\Z", device_type.collection)
    assert device_type.title
    assert device_type.manufacturer
    for measurement in device_type.measurements:
        assert measurement.interval_s is None or measurement.interval_s > 0
        assert measurement.low is None or measurement.high is None or measurement.low < measurement.high
        assert measurement.widget != "gauge" or (measurement.low is not None and measurement.high is not None)


@every_type
def test_defaults_are_allowed_values(device_type: DeviceType) -> None:
    for prop in (*device_type.properties, *(p for c in device_type.commands for p in c.params)):
        if prop.default is not None:
            assert value_fault(prop, prop.default) is None


@every_type
def test_alert_rules_speak_of_measurements_within_their_range(device_type: DeviceType) -> None:
    for rule in device_type.alert_rules:
        measurement = device_type.measurement(rule.measurement)
        assert measurement is not None
        assert (measurement.low or -math.inf) <= rule.threshold <= (measurement.high or math.inf)


@every_type
@settings(max_examples=25, deadline=None)
@given(data=st.data(), seed=st.integers(0, 2**32))
def test_steps_are_deterministic_declared_and_finite(device_type: DeviceType, data: st.DataObject, seed: int) -> None:
    desired = data.draw(desired_of(device_type))
    steps = data.draw(st.lists(st.floats(0.1, 3600.0), min_size=1, max_size=20))
    found = life(device_type, seed, desired, steps)
    assert found == life(device_type, seed, desired, steps)
    assert found[-1][3] == pytest.approx(NOW + sum(steps))
    for readings, reported, events, _ in found:
        assert set(readings) == {m.key for m in device_type.measurements}
        for key, value in readings.items():
            measurement = device_type.measurement(key)
            assert measurement is not None
            assert math.isfinite(value)
        _check_reported(device_type, reported)
        assert all(severity in ("info", "warning", "error", "critical") for _, severity, _ in events)


def _check_reported(device_type: DeviceType, reported: dict[str, Any]) -> None:
    properties = {p.key: p for p in device_type.properties}
    assert reported.keys() <= properties.keys()
    for key, value in reported.items():
        if isinstance(value, dict):
            assert value == refusal(value["value"], value["ad"])
            value = value["value"]
        assert value_fault(properties[key], value) is None, key


@every_type
@settings(max_examples=25, deadline=None)
@given(data=st.data(), seed=st.integers(0, 2**32))
def test_what_is_desired_is_reported_or_refused_after_one_step(device_type: DeviceType, data: st.DataObject, seed: int) -> None:
    desired = data.draw(desired_of(device_type))
    device_type.check_desired(desired)
    state, rng = fresh(device_type, seed, desired)
    reported = device_type.step(state, 1.0, rng).reported
    for key, wished in desired.items():
        if isinstance(reported[key], dict):
            assert reported[key]["value"] != wished
            assert reported[key]["ad"]
        else:
            assert reported[key] == wished


@every_type
def test_a_quiet_day_stays_within_the_plausible_ranges(device_type: DeviceType) -> None:
    for seed in range(5):
        for readings, *_ in life(device_type, seed, {}, [60.0] * 1440):
            for key, value in readings.items():
                measurement = device_type.measurement(key)
                assert measurement is not None
                assert value >= (-math.inf if measurement.low is None else measurement.low)
                assert value <= (math.inf if measurement.high is None else measurement.high)


@every_type
@settings(max_examples=25, deadline=None)
@given(data=st.data(), seed=st.integers(0, 2**32))
def test_every_declared_command_is_executed(device_type: DeviceType, data: st.DataObject, seed: int) -> None:
    command = data.draw(st.sampled_from(device_type.commands))
    params = data.draw(params_of(command))
    device_type.check_params(command, params)
    state, rng = fresh(device_type, seed, {})
    device_type.step(state, 10.0, rng)
    outcome = device_type.execute(state, command.name, params)
    assert outcome.status == "succeeded"
    device_type.step(state, 10.0, rng)


@every_type
def test_an_unknown_command_is_rejected(device_type: DeviceType) -> None:
    state, _ = fresh(device_type, 1, {})
    assert device_type.execute(state, "no_such_command", {}).status == "rejected"
    with pytest.raises(InvalidInput, match="has no command"):
        device_type.command("no_such_command")
