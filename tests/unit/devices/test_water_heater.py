"""The physics of the water heater."""

from random import Random

import pytest

from iotsphere.devices import water_heater
from iotsphere.devices._spec import SimulationState, StepResult, refusal
from iotsphere.devices.water_heater import CAPACITY, DEVICE_TYPE

NOON = 1_700_000_000.0 // 86_400 * 86_400 + 43_200


def heater(temperature: float = 50.0, **desired: object) -> SimulationState:
    state = DEVICE_TYPE.initial(Random(1))
    state.values.update(temperature=temperature, sealed_at=temperature)
    state.desired, state.clock_s = dict(desired), NOON
    return state


def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody draws water."""
    monkeypatch.setattr(water_heater, "DRAWS_PER_HOUR", ((0, 0.0),))


def run(state: SimulationState, seconds: float, dt: float = 10.0, seed: int = 7) -> list[StepResult]:
    rng = Random(seed)
    return [DEVICE_TYPE.step(state, dt, rng) for _ in range(int(seconds / dt))]


@pytest.mark.parametrize("dt", [3.0, 10.0, 47.0, 600.0])
@pytest.mark.parametrize("seed", range(3))
def test_power_in_less_losses_and_draw_off_is_the_change_of_stored_heat(dt: float, seed: int) -> None:
    state = heater(40.0, target_temperature=60)
    before = state.values["temperature"]
    run(state, 86_400, dt, seed)
    values = state.values
    assert values["drawn_j"] > 1e6
    assert values["lost_j"] > 1e6
    flows = values["heated_j"] - values["lost_j"] - values["drawn_j"]
    stored = CAPACITY * (values["temperature"] - before)
    assert flows == pytest.approx(stored, abs=0.01 * values["heated_j"])


def test_a_tank_that_nobody_uses_cools_as_fast_as_its_insulation_says(monkeypatch: pytest.MonkeyPatch) -> None:
    quiet(monkeypatch)
    state = heater(60.0, mode="off")
    run(state, 86_400)
    # 1.9 W/K · 40 K · 24 h ≈ 1.8 kWh ≈ 7.8 K of 200 L; a little less, since it cools meanwhile.
    assert 60 - state.values["temperature"] == pytest.approx(7.3, abs=0.3)


def test_heating_takes_as_long_as_power_and_volume_say(monkeypatch: pytest.MonkeyPatch) -> None:
    quiet(monkeypatch)
    state = heater(40.0, target_temperature=60)
    run(state, 3600)
    # 3 kW for an hour is 12.9 K of 200 L, less 45 W of losses.
    assert state.values["temperature"] == pytest.approx(52.7, abs=0.1)


def test_the_thermostat_holds_the_target_within_its_hysteresis(monkeypatch: pytest.MonkeyPatch) -> None:
    quiet(monkeypatch)
    state = heater(59.0, target_temperature=60)
    found = [r.readings["water_temperature"] for r in run(state, 3 * 86_400)]
    assert min(found) == pytest.approx(57, abs=0.3)
    assert max(found) == pytest.approx(60, abs=0.3)


@pytest.mark.parametrize(("mode", "highest"), [("eco", 55), ("comfort", 60), ("boost", 60), ("off", 50)])
def test_each_mode_holds_its_own_temperature(monkeypatch: pytest.MonkeyPatch, mode: str, highest: float) -> None:
    quiet(monkeypatch)
    state = heater(50.0 if mode == "off" else 45.0, target_temperature=60, mode=mode)
    assert max(r.readings["water_temperature"] for r in run(state, 86_400)) == pytest.approx(highest, abs=0.3)


def test_an_unknown_wish_is_not_reported_as_obeyed() -> None:
    state = heater(target_temperature=500, mode="turbo")
    reported = run(state, 10)[-1].reported
    assert reported["target_temperature"] == refusal(75.0, "above 75 °C")
    assert reported["mode"] == refusal("comfort", "no such mode")


def test_eco_takes_no_target_above_sixty_and_says_so() -> None:
    reported = run(heater(target_temperature=70, mode="eco"), 10)[-1].reported
    assert reported["target_temperature"] == refusal(60.0, "above 60 °C, the most in eco mode")
    assert reported["mode"] == "eco"
    for taken in (60, 30.0):
        assert run(heater(target_temperature=taken, mode="eco"), 10)[-1].reported["target_temperature"] == taken


def test_eco_uses_less_power_than_comfort(monkeypatch: pytest.MonkeyPatch) -> None:
    quiet(monkeypatch)
    assert run(heater(30.0, mode="eco"), 10)[0].readings["element_power"] == pytest.approx(1800, rel=0.02)
    assert run(heater(30.0, mode="comfort"), 10)[0].readings["element_power"] == pytest.approx(3000, rel=0.02)


def test_pressure_rises_with_temperature_until_the_relief_valve_opens(monkeypatch: pytest.MonkeyPatch) -> None:
    quiet(monkeypatch)
    state = heater(15.0, target_temperature=75)
    results = run(state, 6 * 3600)
    pressures = [r.readings["pressure"] for r in results]
    assert pressures[0] < pressures[600] < pressures[1200]
    assert max(pressures) == pytest.approx(7.0, abs=0.05)
    opened = [e for r in results for e in r.events]
    assert [(name, severity) for name, severity, _ in opened] == [("relief_valve_opened", "warning")]
    assert pressures[-1] < 6.9


def test_an_open_tap_brings_the_supply_pressure_back() -> None:
    state = heater(60.0)
    state.values["sealed_at"] = 30.0
    assert run(state, 10)[0].readings["pressure"] > 5
    DEVICE_TYPE.execute(state, "flush", {"litres": 5.0})
    assert run(state, 10)[0].readings["pressure"] < 3


def test_the_cut_out_ends_over_temperature_once_and_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    quiet(monkeypatch)
    state = heater(84.0, target_temperature=60)
    state.flags["relay_stuck"] = True
    results = run(state, 4 * 3600)
    events = [e for r in results for e in r.events if e[0] == "over_temperature"]
    assert [e[1] for e in events] == ["critical"]
    assert results[-1].reported["fault"] == "over_temperature"
    assert results[-1].readings["element_power"] == 0
    assert max(r.readings["water_temperature"] for r in results) < 89
    assert DEVICE_TYPE.execute(state, "run_self_test", {}).status == "failed"
    assert DEVICE_TYPE.execute(state, "boost", {"minutes": 5}).status == "rejected"
    assert DEVICE_TYPE.execute(state, "reset_fault", {}).code == "too_hot"
    state.values["temperature"] = 70.0
    assert DEVICE_TYPE.execute(state, "reset_fault", {}).result == {"cleared": "over_temperature"}
    assert run(state, 10)[0].reported["fault"] == "none"


def test_boost_ends_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    quiet(monkeypatch)
    state = heater(50.0, mode="off")
    assert DEVICE_TYPE.execute(state, "boost", {"minutes": 5}).status == "succeeded"
    results = run(state, 600)
    assert results[1].reported["boosting"]
    assert results[1].reported["heating"]
    assert not results[-1].reported["boosting"]
    assert not results[-1].reported["heating"]


def test_mornings_and_evenings_draw_most() -> None:
    drawn: dict[int, float] = {}
    state, rng = heater(60.0), Random(3)
    state.clock_s = NOON - 43_200
    for _ in range(30 * 24 * 60):
        hour = int(state.clock_s % 86_400 // 3600)
        drawn[hour] = drawn.get(hour, 0.0) + DEVICE_TYPE.step(state, 60.0, rng).readings["flow"]
    assert min(drawn[7], drawn[19]) > 2 * drawn[15] > 4 * drawn[3]


def test_the_energy_counter_starts_anew_each_day() -> None:
    state = heater(30.0, target_temperature=60)
    found = [r.readings["energy_today"] for r in run(state, 86_400, 60.0)]
    assert found[700] > found[0]
    assert min(found[700:]) < 0.2
