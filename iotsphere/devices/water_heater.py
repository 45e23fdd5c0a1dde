"""An electric storage water heater: what it measures, what can be wished of it, and its physics.

The tank is one well-mixed volume. Between two switching moments its temperature follows a linear equation,

    C · dT/dt = P − UA · (T − ambient) − c · ṁ · (T − inlet),

which is solved exactly, so stored heat, losses and draw-off balance for any step width.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

from iotsphere.devices._spec import (
    AlertRule,
    Command,
    CommandOutcome,
    DeviceType,
    Measurement,
    Property,
    Scalar,
    SimulationState,
    StepResult,
    refusal,
)

FIRMWARE = "2.4.1"
VOLUME_L = 200.0
HEAT_PER_KG_K = 4186.0  # J/(kg·K); a litre of water is taken as a kilogram
CAPACITY = VOLUME_L * HEAT_PER_KG_K  # J/K
LOSS_PER_K = 1.9  # W/K: 1.8 kWh a day at 40 K over ambient, a label of class C
ELEMENT_W = 3000.0
FROST_C = 5.0
DEFAULT_TARGET_C = 55.0
LOWEST_TARGET_C, HIGHEST_TARGET_C = 30.0, 75.0
HIGHEST_ECO_TARGET_C = 60.0
CUT_OUT_C, CUT_OUT_RESET_C = 88.0, 80.0
SUPPLY_BAR, BAR_PER_K, BAR_PER_L_MIN = 3.0, 0.08, 0.03
RELIEF_OPENS_BAR, RELIEF_CLOSES_BAR = 7.0, 6.2
RELIEF_L_MIN, RELIEF_BAR_PER_S = 1.0, 0.05
LONGEST_SUBSTEP_S = 10.0
DAY_S = 86_400.0
NO_FAULT, OVER_TEMPERATURE = "none", "over_temperature"


@dataclass(frozen=True, slots=True)
class _Mode:
    """How a mode heats: kelvin below the target that it holds, kelvin of hysteresis below that, share of the element."""

    below: float
    hysteresis: float
    share: float


MODES = {
    "off": _Mode(0.0, 2.0, 1.0),  # holds the frost limit instead of the target
    "eco": _Mode(5.0, 6.0, 0.6),
    "comfort": _Mode(0.0, 3.0, 1.0),
    "boost": _Mode(0.0, 1.0, 1.0),
}

# Draw-offs that begin per hour, from each hour of the day (UTC) to the next entry.
DRAWS_PER_HOUR = ((0, 0.05), (6, 2.6), (9, 0.6), (12, 1.0), (14, 0.5), (18, 2.2), (22, 0.3))


def _initial(rng: Random) -> SimulationState:
    temperature = rng.uniform(44.0, 58.0)
    values = {
        "temperature": temperature,
        "sealed_at": temperature,  # tank temperature when a tap was last open: expansion counts from there
        "vented": 0.0,  # bar that the relief valve has let off since
        "energy_kwh": rng.uniform(0.0, 3.0),
        "draw_l_min": 0.0,
        "draw_left_s": 0.0,
        "household": rng.uniform(0.7, 1.4),  # a large one draws more often
        # Sums since the beginning, J: the energy balance in numbers.
        "heated_j": 0.0,
        "lost_j": 0.0,
        "drawn_j": 0.0,
    }
    flags = {"heating": False, "relief": False, "fault": NO_FAULT, "boost_until": 0.0, "relay_stuck": False}
    return SimulationState(values=values, flags=flags)


def _step(state: SimulationState, dt: float, rng: Random) -> StepResult:
    events: list[tuple[str, str, Mapping[str, Any]]] = []
    for seconds in _substeps(dt):
        _draw_off(state, seconds, rng)
        _thermostat(state, events)
        _heat(state, seconds)
        _relief_valve(state, seconds, events)
        _advance(state, seconds)
    return StepResult(_readings(state, rng), _reported(state), tuple(events))


def _substeps(dt: float) -> Iterator[float]:
    count = max(1, math.ceil(dt / LONGEST_SUBSTEP_S))
    return (dt / count for _ in range(count))


def _draw_off(state: SimulationState, seconds: float, rng: Random) -> None:
    values = state.values
    values["draw_left_s"] -= seconds
    if values["draw_left_s"] > 0:
        return
    values["draw_l_min"] = values["draw_left_s"] = 0.0
    rate = _draws_per_hour(state.clock_s) * values["household"] / 3600
    if rng.random() < 1 - math.exp(-rate * seconds):
        values["draw_l_min"] = rng.uniform(3.0, 9.0)
        values["draw_left_s"] = min(rng.expovariate(1 / 150), 900.0)


def _draws_per_hour(clock_s: float) -> float:
    hour = clock_s % DAY_S / 3600
    return next(rate for begin, rate in reversed(DRAWS_PER_HOUR) if hour >= begin)


def _thermostat(state: SimulationState, events: list[tuple[str, str, Mapping[str, Any]]]) -> None:
    temperature, flags = state.values["temperature"], state.flags
    if temperature >= CUT_OUT_C and flags["fault"] == NO_FAULT:
        flags["fault"] = OVER_TEMPERATURE
        events.append((OVER_TEMPERATURE, "critical", {"temperature": round(temperature, 1), "limit": CUT_OUT_C}))
    mode = _mode(state)
    hold = FROST_C if mode == "off" else _target(state) - MODES[mode].below
    if temperature >= hold:
        flags["heating"] = False
    elif temperature <= hold - MODES[mode].hysteresis:
        flags["heating"] = True
    if flags["relay_stuck"]:
        flags["heating"] = True
    if flags["fault"] != NO_FAULT:
        flags["heating"] = False  # the cut-out breaks the supply, whatever the relay does


def _mode(state: SimulationState) -> str:
    if state.clock_s < state.flags["boost_until"]:
        return "boost"
    return _wished_mode(state)


def _wished_mode(state: SimulationState) -> str:
    wished = state.desired.get("mode")
    return wished if wished in MODES else "comfort"


def _target(state: SimulationState) -> float:
    """The target in force: what is wished, within what the heater takes."""
    wished = state.desired.get("target_temperature")
    if isinstance(wished, bool) or not isinstance(wished, int | float):
        return DEFAULT_TARGET_C
    return min(max(float(wished), LOWEST_TARGET_C), _highest_target(state))


def _highest_target(state: SimulationState) -> float:
    return HIGHEST_ECO_TARGET_C if _wished_mode(state) == "eco" else HIGHEST_TARGET_C


def _power(state: SimulationState) -> float:
    return ELEMENT_W * MODES[_mode(state)].share if state.flags["heating"] else 0.0


def _flow(state: SimulationState) -> float:
    """All that leaves the tank and is replaced by cold water, L/min."""
    return state.values["draw_l_min"] + (RELIEF_L_MIN if state.flags["relief"] else 0.0)


def _heat(state: SimulationState, seconds: float) -> None:
    values = state.values
    begin, power = values["temperature"], _power(state)
    ambient, inlet = _ambient(state.clock_s), _inlet(state.clock_s)
    drawn_per_k = _flow(state) / 60 * HEAT_PER_KG_K
    exchange = LOSS_PER_K + drawn_per_k
    balance = (power + LOSS_PER_K * ambient + drawn_per_k * inlet) / exchange  # where the temperature tends to
    rate = exchange / CAPACITY
    decayed = -math.expm1(-rate * seconds)
    kelvin_seconds = balance * seconds + (begin - balance) * decayed / rate
    values["temperature"] = begin + (balance - begin) * decayed
    values["heated_j"] += power * seconds
    values["lost_j"] += LOSS_PER_K * (kelvin_seconds - ambient * seconds)
    values["drawn_j"] += drawn_per_k * (kelvin_seconds - inlet * seconds)
    values["energy_kwh"] += power * seconds / 3.6e6


def _ambient(clock_s: float) -> float:
    return 19.0 + 2.0 * math.sin(2 * math.pi * (clock_s / DAY_S - 0.4))


def _inlet(clock_s: float) -> float:
    return 12.0 + 4.0 * math.sin(2 * math.pi * (clock_s / DAY_S - 120.0) / 365.25)


def _pressure(state: SimulationState) -> float:
    """bar. An open tap lets the supply's pressure in; behind the closed check valve the water expands as it warms."""
    values = state.values
    if values["draw_l_min"] > 0:
        return SUPPLY_BAR - BAR_PER_L_MIN * values["draw_l_min"]
    expansion = BAR_PER_K * (values["temperature"] - values["sealed_at"])
    return max(SUPPLY_BAR, SUPPLY_BAR + expansion - values["vented"])


def _relief_valve(state: SimulationState, seconds: float, events: list[tuple[str, str, Mapping[str, Any]]]) -> None:
    values, flags = state.values, state.flags
    if values["draw_l_min"] > 0:
        values["sealed_at"], values["vented"] = values["temperature"], 0.0
    if flags["relief"]:
        values["vented"] += RELIEF_BAR_PER_S * seconds
    pressure = _pressure(state)
    if pressure >= RELIEF_OPENS_BAR and not flags["relief"]:
        flags["relief"] = True
        events.append(("relief_valve_opened", "warning", {"pressure": round(pressure, 2)}))
    elif pressure <= RELIEF_CLOSES_BAR:
        flags["relief"] = False


def _advance(state: SimulationState, seconds: float) -> None:
    before = state.clock_s
    state.clock_s += seconds
    if state.clock_s // DAY_S != before // DAY_S:
        state.values["energy_kwh"] = 0.0


def _readings(state: SimulationState, rng: Random) -> dict[str, float]:
    values = state.values
    return {
        "water_temperature": round(values["temperature"] + rng.gauss(0.0, 0.03), 2),
        "pressure": round(_pressure(state) + rng.gauss(0.0, 0.005), 3),
        "element_power": round(_power(state) * (1 + rng.gauss(0.0, 0.002)), 1),
        "flow": round(_flow(state), 2),
        "inlet_temperature": round(_inlet(state.clock_s) + rng.gauss(0.0, 0.03), 2),
        "energy_today": round(values["energy_kwh"], 4),
    }


def _reported(state: SimulationState) -> dict[str, Any]:
    return {
        "target_temperature": _answered(state, "target_temperature", _target(state), _target_limit(state)),
        "mode": _answered(state, "mode", _wished_mode(state), "no such mode"),
        "boosting": state.clock_s < state.flags["boost_until"],
        "heating": state.flags["heating"],
        "fault": state.flags["fault"],
        "firmware": FIRMWARE,
    }


def _answered(state: SimulationState, key: str, held: Scalar, reason: str) -> Any:
    """The value in force, as a refusal when it is not the one that is wished."""
    return held if state.desired.get(key, held) == held else refusal(held, reason)


def _target_limit(state: SimulationState) -> str:
    held = _target(state)
    if held == LOWEST_TARGET_C:
        return f"below {held:g} °C"
    return f"above {held:g} °C" + (", the most in eco mode" if held == HIGHEST_ECO_TARGET_C else "")


def _execute(state: SimulationState, name: str, params: Mapping[str, Any]) -> CommandOutcome:
    match name:
        case "boost":
            return _boost(state, params.get("minutes", 30))
        case "run_self_test":
            return _self_test(state)
        case "reset_fault":
            return _reset_fault(state)
        case "flush":
            return _flush(state, params.get("litres", 20.0))
    return CommandOutcome("rejected", "unknown_command", f"this heater has no command {name}")


def _boost(state: SimulationState, minutes: float) -> CommandOutcome:
    if state.flags["fault"] != NO_FAULT:
        return CommandOutcome("rejected", "fault", f"not while the fault {state.flags['fault']} stands")
    state.flags["boost_until"] = state.clock_s + minutes * 60
    return CommandOutcome("succeeded", result={"until": round(state.flags["boost_until"] * 1000)})


def _self_test(state: SimulationState) -> CommandOutcome:
    fault = state.flags["fault"]
    result: dict[str, Scalar] = {
        "sensor": True,
        "relay": not state.flags["relay_stuck"],
        "cut_out": fault == NO_FAULT,
        "temperature": round(state.values["temperature"], 1),
    }
    if result["relay"] and result["cut_out"]:
        return CommandOutcome("succeeded", result=result)
    return CommandOutcome("failed", "self_test", "the relay does not open" if not result["relay"] else f"fault {fault}", result)


def _reset_fault(state: SimulationState) -> CommandOutcome:
    if state.values["temperature"] > CUT_OUT_RESET_C:
        return CommandOutcome("rejected", "too_hot", f"the water must be at most {CUT_OUT_RESET_C:g} °C")
    cleared, state.flags["fault"] = state.flags["fault"], NO_FAULT
    return CommandOutcome("succeeded", result={"cleared": cleared})


def _flush(state: SimulationState, litres: float) -> CommandOutcome:
    state.values["draw_l_min"] = 10.0
    state.values["draw_left_s"] = litres / 10.0 * 60
    return CommandOutcome("succeeded", result={"seconds": state.values["draw_left_s"]})


DEVICE_TYPE = DeviceType(
    key="water_heater",
    collection="water-heaters",
    title="Water heater",
    manufacturer="Aquatherm",
    model="AT-200",
    measurements=(
        Measurement("water_temperature", "Water temperature", "°C", 0.0, 100.0, 10.0, "gauge", 1),
        Measurement("pressure", "Pressure", "bar", 0.0, 10.0, 10.0, "gauge", 2),
        Measurement("element_power", "Element power", "W", 0.0, 4000.0, 10.0, "chart", 0),
        Measurement("flow", "Draw-off", "L/min", 0.0, 30.0, 10.0, "number", 1),
        Measurement("inlet_temperature", "Cold inlet", "°C", 0.0, 40.0, 60.0, "number", 1),
        Measurement("energy_today", "Energy today", "kWh", 0.0, 100.0, 60.0, "number", 2),
    ),
    properties=(
        Property(
            "target_temperature",
            "Target temperature",
            "number",
            "°C",
            LOWEST_TARGET_C,
            HIGHEST_TARGET_C,
            writable=True,
            default=DEFAULT_TARGET_C,
        ),
        Property("mode", "Mode", "string", options=tuple(MODES), writable=True, default="comfort"),
        Property("boosting", "Boost running", "boolean"),
        Property("heating", "Heating", "boolean"),
        Property("fault", "Fault", "string", options=(NO_FAULT, OVER_TEMPERATURE)),
        Property("firmware", "Firmware", "string"),
    ),
    commands=(
        Command("boost", "Heat up fast", (Property("minutes", "Duration", "integer", "min", 1, 240, default=30),)),
        Command("run_self_test", "Run self-test", timeout_s=30.0),
        Command("reset_fault", "Reset fault"),
        Command(
            "flush",
            "Flush the tank",
            (Property("litres", "Amount", "number", "L", 1.0, 200.0, default=20.0),),
            timeout_s=30.0,
            risky=True,
        ),
    ),
    alert_rules=(
        AlertRule("over_temperature", "water_temperature", ">", 85.0, "critical"),
        AlertRule("over_pressure", "pressure", ">", 6.8, "warning", for_s=30.0),
        AlertRule("nearly_frozen", "water_temperature", "<", 4.0, "critical", for_s=60.0),
    ),
    initial=_initial,
    step=_step,
    execute=_execute,
)
