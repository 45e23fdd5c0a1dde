"""What a device type declares. Everything else about the type is generated from this."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any, Literal

from iotsphere.errors import InvalidInput

Widget = Literal["gauge", "number", "chart", "switch", "level"]
Scalar = float | int | bool | str


@dataclass(frozen=True, slots=True)
class Measurement:
    """A number that a device of this type reports.

    Attributes:
        key: name on the wire.
        title: name for people.
        unit: UCUM-like unit text, "" for counts and ratios.
        low: smallest plausible value, None for none.
        high: largest plausible value, None for none.
        interval_s: how often it is reported, seconds; 3 × this without a reading is *stale*.
        widget: how the dashboard draws it.
        decimals: digits shown after the point.
    """

    key: str
    title: str
    unit: str = ""
    low: float | None = None
    high: float | None = None
    interval_s: float = 10.0
    widget: Widget = "number"
    decimals: int = 1


@dataclass(frozen=True, slots=True)
class Property:
    """A shadow property. ``writable`` ones may be desired; all may be reported.

    Attributes:
        kind: JSON type of the value.
        low: smallest allowed number.
        high: largest allowed number.
        options: allowed values of an enumeration.
    """

    key: str
    title: str
    kind: Literal["number", "integer", "boolean", "string"]
    unit: str = ""
    low: float | None = None
    high: float | None = None
    options: tuple[str, ...] = ()
    writable: bool = False
    default: Scalar | None = None


@dataclass(frozen=True, slots=True)
class Command:
    """Something that a device does once. Parameters are described like properties."""

    name: str
    title: str
    params: tuple[Property, ...] = ()
    timeout_s: float = 10.0
    risky: bool = False


@dataclass(frozen=True, slots=True)
class AlertRule:
    """A condition on one measurement that alerting watches: value <op> threshold for for_s seconds."""

    name: str
    measurement: str
    op: Literal[">", "<"]
    threshold: float
    severity: Literal["info", "warning", "critical"]
    for_s: float = 0.0


@dataclass(slots=True)
class SimulationState:
    """What a simulated device is between two steps. The type's functions alone know what is in ``values``.

    Attributes:
        values: physical state by name.
        desired: the desired section of the shadow as the device knows it; the step obeys it.
        clock_s: seconds since the Unix epoch at this step (simulated clock).
    """

    values: dict[str, float]
    desired: dict[str, Any] = field(default_factory=dict)
    flags: dict[str, Any] = field(default_factory=dict)
    clock_s: float = 0.0


@dataclass(frozen=True, slots=True)
class StepResult:
    """What a simulated device says after a step."""

    readings: Mapping[str, float]
    reported: Mapping[str, Any]
    events: tuple[tuple[str, str, Mapping[str, Any]], ...] = ()


@dataclass(frozen=True, slots=True)
class CommandOutcome:
    """How a simulated device answers a command."""

    status: Literal["succeeded", "failed", "rejected"]
    code: str = ""
    text: str = ""
    result: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceType:
    """One device type.

    Attributes:
        key: name in code, files and the registry, ``snake_case``.
        collection: name of the REST collection, such as ``kebab-case`` plural of the key.
        initial: makes the state of a new simulated device.
        step: advances the state by dt seconds, pure apart from the given state and generator.
        execute: answers a command, may change the state.
    """

    key: str
    collection: str
    title: str
    manufacturer: str
    model: str
    measurements: tuple[Measurement, ...]
    properties: tuple[Property, ...]
    commands: tuple[Command, ...]
    alert_rules: tuple[AlertRule, ...] = ()
    analytics: tuple[str, ...] = ()
    initial: Callable[[Random], SimulationState]
    step: Callable[[SimulationState, float, Random], StepResult]
    execute: Callable[[SimulationState, str, Mapping[str, Any]], CommandOutcome]

    def measurement(self, key: str) -> Measurement | None:
        """The measurement of that name, if declared."""
        return next((m for m in self.measurements if m.key == key), None)

    def command(self, name: str) -> Command:
        """The command of that name.

        Raises:
            InvalidInput: the type has no such command.
        """
        for command in self.commands:
            if command.name == name:
                return command
        raise InvalidInput(
            "name", f"{self.key} has no command {name!r}; it has {', '.join(c.name for c in self.commands) or 'none'}"
        )

    def check_desired(self, desired: Mapping[str, Any]) -> None:
        """Check a partial desired section; None values (deletions) are allowed for every known property.

        Raises:
            InvalidInput: an unknown or read-only property, or a value of the wrong type or out of range.
        """
        known = {p.key: p for p in self.properties}
        for key, value in desired.items():
            prop = known.get(key)
            if prop is None or not prop.writable:
                raise InvalidInput(f"desired.{key}", "is read-only" if prop else f"{self.key} has no such property")
            if value is not None:
                check_value(f"desired.{key}", prop, value)

    def check_params(self, command: Command, params: Mapping[str, Any]) -> None:
        """Check a command's parameters.

        Raises:
            InvalidInput: a parameter is missing, unknown, of the wrong type or out of range.
        """
        known = {p.key: p for p in command.params}
        for key in params.keys() - known.keys():
            raise InvalidInput(f"params.{key}", f"{command.name} has no such parameter")
        for key, prop in known.items():
            if key in params:
                check_value(f"params.{key}", prop, params[key])
            elif prop.default is None:
                raise InvalidInput(f"params.{key}", "is missing")


_KINDS: dict[str, Any] = {"number": (int, float), "integer": (int,), "boolean": (bool,), "string": (str,)}


def check_value(field_name: str, prop: Property, value: Any) -> None:
    """Check one value against its property.

    Raises:
        InvalidInput: wrong type, out of range, or none of the options.
    """
    if not isinstance(value, _KINDS[prop.kind]) or (prop.kind in ("number", "integer") and isinstance(value, bool)):
        raise InvalidInput(field_name, f"must be {'an' if prop.kind == 'integer' else 'a'} {prop.kind}")
    if prop.options and value not in prop.options:
        raise InvalidInput(field_name, f"must be one of {', '.join(prop.options)}")
    if prop.kind not in ("number", "integer"):
        return
    if prop.low is not None and value < prop.low:
        raise InvalidInput(field_name, f"must be at least {prop.low:g} {prop.unit}".rstrip())
    if prop.high is not None and value > prop.high:
        raise InvalidInput(field_name, f"must be at most {prop.high:g} {prop.unit}".rstrip())
