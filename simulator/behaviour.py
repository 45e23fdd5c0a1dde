"""One simulated device without a network: its state, its dice, its type's physics."""

from collections.abc import Mapping
from dataclasses import replace
from random import Random
from typing import Any

from iotsphere.devices._spec import CommandOutcome, DeviceType, StepResult
from iotsphere.errors import InvalidInput


class Behaviour:
    """Depends on the seed, the device's id and the moments that it is asked about, and on nothing else.

    Args:
        start_s: simulated time at which it begins, seconds since the Unix epoch.
    """

    def __init__(self, device_type: DeviceType, seed: int, device: str, start_s: float) -> None:
        self._type = device_type
        self._rng = Random(f"{seed}/{device}")
        self._state = device_type.initial(self._rng)
        self._state.clock_s = start_s
        self._version = 0

    def wish(self, desired: Mapping[str, Any], version: int = 0) -> None:
        """The whole desired section as the device knows it, and the version in which it was last changed."""
        self._state.desired = dict(desired)
        self._version = version

    def advance(self, to_s: float) -> StepResult:
        """Live on until a moment; a clock that was set back stands still meanwhile."""
        result = self._type.step(self._state, max(to_s - self._state.clock_s, 0.0), self._rng)
        return replace(result, reported={key: self._addressed(value) for key, value in result.reported.items()})

    def _addressed(self, value: Any) -> Any:
        """A refusal says which version of the wishes it answers."""
        return {**value, "av": self._version} if isinstance(value, dict) and "ac" in value else value

    def execute(self, name: str, params: Mapping[str, Any]) -> CommandOutcome:
        """Do what a command asks for, if its parameters are right."""
        try:
            self._type.check_params(self._type.command(name), params)
        except InvalidInput as error:
            return CommandOutcome("rejected", "invalid_params", str(error))
        return self._type.execute(self._state, name, params)
