"""What a device type declares. Everything else about the type is generated from this."""

from collections.abc import Callable, Mapping, Sequence
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
        interval_s: how often it is reported, seconds; 3 × this without a reading is *stale*. None: at no interval.
        widget: how the dashboard draws it.
        decimals: digits shown after the point.
    """

    key: str
    title: str
    unit: str = ""
    low: float | None = None
    high: float | None = None
    interval_s: float | None = 10.0
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
    """Something that a device does once. Parameters are described like properties.

    Attributes:
        timeout_s: so long an answer may take, and the command is good for, unless its giver says otherwise; seconds.
        risky: people are asked once more.
        lane: ``serial`` ones of a device are sent one after the other, each when the one before is answered; a ``parallel`` one
            is sent at once.
    """

    name: str
    title: str
    params: tuple[Property, ...] = ()
    timeout_s: float = 10.0
    risky: bool = False
    lane: Literal["serial", "parallel"] = "serial"


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


def refusal(value: Scalar, reason: str) -> dict[str, Any]:
    """What a device reports of a property whose desired value it does not take: the value that holds instead, and why."""
    return {"value": value, "ac": 400, "ad": reason}


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

    def property(self, key: str) -> Property | None:
        """The property of that name, if declared."""
        return next((p for p in self.properties if p.key == key), None)

    def command(self, name: str) -> Command:
        """The command of that name.

        Raises:
            InvalidInput: the type has no such command; when it is a setting, the reason says where that belongs.
        """
        for command in self.commands:
            if command.name == name:
                return command
        raise InvalidInput("name", self._no_command(name))

    def check_desired(self, desired: Mapping[str, Any]) -> None:
        """Check a partial desired section; None values (deletions) are allowed for every known property.

        Raises:
            InvalidInput: an unknown or read-only property, or a value of the wrong type or out of range; names all of them.
                When it is a command, the reason says where that belongs.
        """
        _raise([(f"desired.{key}", fault) for key, value in desired.items() if (fault := self._desired_fault(key, value))])

    def check_params(self, command: Command, params: Mapping[str, Any]) -> None:
        """Check a command's parameters.

        Raises:
            InvalidInput: a parameter is missing, unknown, of the wrong type or out of range; names all of them.
        """
        known = {p.key: p for p in command.params}
        wrong = [(f"params.{key}", f"{command.name} has no such parameter") for key in sorted(params.keys() - known.keys())]
        for key, prop in known.items():
            if fault := _param_fault(prop, params):
                wrong.append((f"params.{key}", fault))
        _raise(wrong)

    def _no_command(self, name: str) -> str:
        prop = self.property(name)
        if prop is not None and prop.writable:
            return f"{name!r} is a setting that lasts, no command: set desired.{name} in the device's shadow"
        return f"{self.key} has no command {name!r}; it has {', '.join(c.name for c in self.commands) or 'none'}"

    def _desired_fault(self, key: str, value: Any) -> str | None:
        prop = self.property(key)
        if prop is not None and prop.writable:
            return None if value is None else value_fault(prop, value)
        if prop is not None:
            return "is read-only"
        if any(command.name == key for command in self.commands):
            return f"is a command, which happens once: send the command {key!r} instead"
        return f"{self.key} has no such property"


_KINDS: Mapping[str, Any] = {"number": (int, float), "integer": (int,), "boolean": (bool,), "string": (str,)}


def value_fault(prop: Property, value: Any) -> str | None:
    """What is wrong with a value: its type, out of range, none of the options; None when nothing is."""
    if fault := kind_fault(prop, value):
        return fault
    if prop.options and value not in prop.options:
        return f"must be one of {', '.join(prop.options)}"
    if prop.kind not in ("number", "integer"):
        return None
    if prop.low is not None and value < prop.low:
        return f"must be at least {prop.low:g} {prop.unit}".rstrip()
    if prop.high is not None and value > prop.high:
        return f"must be at most {prop.high:g} {prop.unit}".rstrip()
    return None


def kind_fault(prop: Property, value: Any) -> str | None:
    """What is wrong with a value's JSON type, and nothing else; None when nothing is."""
    if not isinstance(value, _KINDS[prop.kind]) or (prop.kind in ("number", "integer") and isinstance(value, bool)):
        return f"must be {'an' if prop.kind == 'integer' else 'a'} {prop.kind}"
    return None


def _param_fault(prop: Property, params: Mapping[str, Any]) -> str | None:
    if prop.key in params:
        return value_fault(prop, params[prop.key])
    return "is missing" if prop.default is None else None


def _raise(wrong: Sequence[tuple[str, str]]) -> None:
    if wrong:
        (field_name, reason), *also = wrong
        raise InvalidInput(field_name, reason, *also)
