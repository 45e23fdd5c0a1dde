"""The device types: every module of this package that does not begin with an underscore declares one DEVICE_TYPE."""

from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from iotsphere.devices._spec import DeviceType
from iotsphere.errors import InvalidInput, Misconfigured


@cache
def device_types() -> dict[str, DeviceType]:
    """All device types by key.

    Raises:
        Misconfigured: two modules declare the same key or collection.
    """
    found: dict[str, DeviceType] = {}
    for module in sorted(iter_modules(__path__), key=lambda m: m.name):
        if module.name.startswith("_"):
            continue
        declared: DeviceType = import_module(f"{__name__}.{module.name}").DEVICE_TYPE
        if declared.key in found or declared.collection in {t.collection for t in found.values()}:
            raise Misconfigured(f"device type {declared.key!r} is declared twice")
        found[declared.key] = declared
    return found


def device_type(key: str) -> DeviceType:
    """The type of that key.

    Raises:
        InvalidInput: there is none.
    """
    try:
        return device_types()[key]
    except KeyError:
        raise InvalidInput("device_type", f"no type {key!r}; known: {', '.join(sorted(device_types()))}") from None
