"""A device type of the tests' own, so that nothing rests on the words of a real one."""

from collections.abc import Mapping
from random import Random
from typing import Any

from iotsphere.devices._spec import Command, CommandOutcome, DeviceType, Measurement, Property, SimulationState, StepResult


def _initial(_: Random) -> SimulationState:
    return SimulationState({"flow": 1.0})


def _step(state: SimulationState, dt: float, _: Random) -> StepResult:
    return StepResult(readings=dict(state.values), reported={})


def _execute(_: SimulationState, name: str, params: Mapping[str, Any]) -> CommandOutcome:
    return CommandOutcome("succeeded")


PUMP = DeviceType(
    key="test_pump",
    collection="test-pumps",
    title="Test pump",
    manufacturer="Acme",
    model="P1",
    measurements=(
        Measurement("flow", "Flow", "L/min", 0, 100, interval_s=10),
        Measurement("pressure", "Pressure", "bar", 0, 16, interval_s=10, decimals=2),
    ),
    properties=(
        Property("speed", "Speed", "integer", "1/min", 0, 3000, writable=True),
        Property("mode", "Mode", "string", options=("eco", "full"), writable=True),
        Property("hours", "Hours run", "number", "h"),
    ),
    commands=(
        Command("prime", "Prime", (Property("seconds", "Seconds", "integer", "s", 1, 60),), timeout_s=5),
        Command("stop", "Stop"),
    ),
    initial=_initial,
    step=_step,
    execute=_execute,
)
