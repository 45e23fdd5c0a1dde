"""What a device of a known type may say and be told. Pure."""

from collections.abc import Mapping
from typing import Any

from iotsphere.answers import plain
from iotsphere.devices._spec import DeviceType, kind_fault
from iotsphere.errors import InvalidInput
from iotsphere.messages import CommandRequest


class Typed:
    """Checks names and kinds. Ranges are not checked: the truth is reported, and the platform marks what is out of range.

    Args:
        device_type: None checks nothing.
        undeclared: whether names may be used that the type does not declare.
    """

    def __init__(self, device_type: DeviceType | None, *, undeclared: bool = False) -> None:
        self._type = device_type
        strict = device_type if not undeclared else None
        self._measurements = frozenset(m.key for m in strict.measurements) if strict else None
        self._commands = frozenset(c.name for c in strict.commands) if strict else None
        self._properties = {p.key: p for p in device_type.properties} if device_type else {}
        self._strict = strict is not None

    def check_values(self, values: Mapping[str, float]) -> None:
        """Check the names of readings.

        Raises:
            InvalidInput: the type declares no such measurement.
        """
        known = self._measurements
        if known is None or values.keys() <= known:
            return
        name = min(values.keys() - known)
        raise InvalidInput(f"values.{name}", f"{self._key} has no such measurement; it has {', '.join(sorted(known))}")

    def check_report(self, properties: Mapping[str, Any]) -> None:
        """Check reported properties; None, which deletes, is allowed for each.

        Raises:
            InvalidInput: the type declares no such property, or another kind of value.
        """
        for key, value in properties.items():
            declared = self._properties.get(key)
            if declared is None and self._strict:
                raise InvalidInput(f"reported.{key}", f"{self._key} has no such property")
            if declared is not None and (held := plain(value)) is not None and (fault := kind_fault(declared, held)):
                raise InvalidInput(f"reported.{key}", fault)

    def check_handler(self, name: str) -> None:
        """Check the name of a command that shall be handled.

        Raises:
            InvalidInput: the type declares no such command.
        """
        if self._commands is not None and name not in self._commands:
            raise InvalidInput(f"command.{name}", f"{self._key} has no such command; it has {', '.join(sorted(self._commands))}")

    def parameters(self, request: CommandRequest) -> dict[str, Any]:
        """The parameters of a command, with the defaults of those that are missing.

        Raises:
            InvalidInput: they are not what the type declares.
        """
        declared = next((c for c in self._type.commands if c.name == request.name), None) if self._type else None
        if self._type is None or declared is None:
            return request.params
        self._type.check_params(declared, request.params)
        return {p.key: p.default for p in declared.params if p.default is not None} | request.params

    @property
    def _key(self) -> str:
        return self._type.key if self._type else ""
