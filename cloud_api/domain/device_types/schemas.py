"""Device types on the wire: what the dashboard draws from."""

from typing import Any

import msgspec

from iotsphere.devices._spec import Command, DeviceType, Measurement, Property


class MeasurementView(msgspec.Struct, kw_only=True, frozen=True):
    """A number that devices of the type report."""

    key: str
    title: str
    unit: str
    low: float | None
    high: float | None
    interval_s: float | None
    widget: str
    decimals: int


class PropertyView(msgspec.Struct, kw_only=True, frozen=True):
    """A shadow property or a command's parameter."""

    key: str
    title: str
    kind: str
    unit: str
    low: float | None
    high: float | None
    options: tuple[str, ...]
    writable: bool
    default: float | int | bool | str | None


class CommandView(msgspec.Struct, kw_only=True, frozen=True):
    """Something that a device does once."""

    name: str
    title: str
    params: list[PropertyView]
    timeout_s: float
    risky: bool
    lane: str


class DeviceTypeView(msgspec.Struct, kw_only=True, frozen=True):
    """A device type."""

    key: str
    collection: str
    title: str
    manufacturer: str
    model: str
    measurements: list[MeasurementView]
    properties: list[PropertyView]
    commands: list[CommandView]


def view(declared: DeviceType) -> DeviceTypeView:
    """The declaration without its functions."""
    return DeviceTypeView(
        key=declared.key,
        collection=declared.collection,
        title=declared.title,
        manufacturer=declared.manufacturer,
        model=declared.model,
        measurements=[_same(MeasurementView, m) for m in declared.measurements],
        properties=[_same(PropertyView, p) for p in declared.properties],
        commands=[_command(c) for c in declared.commands],
    )


def _command(command: Command) -> CommandView:
    return CommandView(
        name=command.name,
        title=command.title,
        params=[_same(PropertyView, p) for p in command.params],
        timeout_s=command.timeout_s,
        risky=command.risky,
        lane=command.lane,
    )


def _same(view_type: type[Any], declared: Measurement | Property) -> Any:
    return view_type(**{name: getattr(declared, name) for name in view_type.__struct_fields__})
