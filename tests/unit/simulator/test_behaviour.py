"""A simulated device without a network."""

from dataclasses import replace

from iotsphere.devices import device_types
from iotsphere.devices._spec import Command, CommandOutcome, Property, SimulationState, StepResult, refusal
from simulator.behaviour import Behaviour
from simulator.clock import Clock

TYPE = replace(
    next(iter(device_types().values())),
    commands=(Command("add", "Add", (Property("n", "N", "integer", low=1, high=9),)),),
    initial=lambda rng: SimulationState({"x": 0.0}),
    step=lambda state, dt, rng: StepResult({"x": dt}, dict(state.desired)),
    execute=lambda state, name, params: CommandOutcome("succeeded", result=dict(params)),
)


def test_time_passes_as_far_as_the_clock_says_and_never_back() -> None:
    behaviour = Behaviour(replace(TYPE, step=_advance), 1, "a", 1000.0)
    assert [behaviour.advance(to).readings["x"] for to in (1010.0, 1012.5, 900.0, 1013.0)] == [10.0, 2.5, 0.0, 0.5]


def _advance(state: SimulationState, dt: float, rng: object) -> StepResult:
    state.clock_s += dt
    return StepResult({"x": dt}, {})


def test_parameters_are_checked_before_a_command_is_executed() -> None:
    behaviour = Behaviour(TYPE, 1, "a", 0.0)
    assert behaviour.execute("add", {"n": 3}).result == {"n": 3}
    for params in ({}, {"n": 10}, {"n": 1, "m": 1}, {"n": "1"}):
        assert behaviour.execute("add", params).code == "invalid_params"
    assert behaviour.execute("subtract", {}).status == "rejected"


def test_a_wish_is_known_at_the_next_step() -> None:
    behaviour = Behaviour(TYPE, 1, "a", 0.0)
    behaviour.wish({"mode": "x"})
    assert behaviour.advance(1.0).reported == {"mode": "x"}


def test_a_clock_begins_now_and_runs_at_its_speed() -> None:
    now = 100.0
    clock = Clock(60.0, lambda: now)
    assert clock() == 100.0
    now = 102.0
    assert clock() == 220.0


def test_a_refusal_names_the_version_that_it_answers() -> None:
    refusing = replace(TYPE, step=lambda state, dt, rng: StepResult({"x": dt}, {"mode": refusal("eco", "no"), "plain": {"a": 1}}))
    behaviour = Behaviour(refusing, 1, "a", 0.0)
    behaviour.wish({"mode": "x"}, 7)
    assert behaviour.advance(1.0).reported == {"mode": {"value": "eco", "ac": 400, "ad": "no", "av": 7}, "plain": {"a": 1}}
