"""Which column of a file is what: one reading a line, or one moment a line with a column for each measurement. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ingest.validate import check_name
from iotsphere.errors import InvalidInput, Refused

TIME, DEVICE, MEASUREMENT, VALUE = "time", "device", "measurement", "value"
_NAMES: Mapping[str, tuple[str, ...]] = {
    TIME: ("time", "ts", "timestamp", "datetime"),
    DEVICE: ("device", "device_id"),
    MEASUREMENT: ("measurement",),
    VALUE: ("value",),
}
OTHERS = frozenset({"unit", "title", "source", "quality", "line", "reason"})  # of our own exports and rejects: not read


@dataclass(frozen=True, slots=True)
class Columns:
    """Positions in a record.

    Attributes:
        device: None when no column tells it.
        fields: how many columns there are.
        value: measurement and position of each value; None as measurement: it stands in the column ``measurement``.
    """

    time: int
    device: int | None
    measurement: int | None
    values: Sequence[tuple[str, int]]
    fields: int

    @property
    def width(self) -> int:
        """Fields that a record must have at least."""
        places = [self.time, self.device, self.measurement, *(place for _, place in self.values)]
        return 1 + max(place for place in places if place is not None)


def columns(header: Sequence[str], mapped: Mapping[str, str], *, one_device: bool) -> Columns:
    """Find the columns by their names and by what the caller says.

    Args:
        mapped: column by ``time``, ``device``, ``measurement``, ``value``, or by the name of a measurement.
        one_device: the device is given for all lines, and no column need tell it.

    Raises:
        InvalidInput: one is missing, or there is none of that name; or what would be a measurement's name is none.
    """
    names = [name.strip() for name in header]
    if len(set(names)) != len(names):
        raise InvalidInput("FILE", f"two columns have one name: {', '.join(sorted({n for n in names if names.count(n) > 1}))}")
    places = {key: _place(key, names, mapped) for key in _NAMES}
    time = places[TIME]
    if time is None:
        raise InvalidInput("map", f"which column is the time? --map time=COLUMN; there are {', '.join(names)}")
    if places[DEVICE] is None and not one_device:
        raise InvalidInput("map", "whose readings are these? --device ID, or --map device=COLUMN")
    device = places[DEVICE]
    wide = {key: column for key, column in mapped.items() if key not in _NAMES}
    value = places[VALUE]
    if places[MEASUREMENT] is not None and value is not None and not wide:
        return Columns(time, device, places[MEASUREMENT], [("", value)], len(names))
    return Columns(time, device, None, _wide(names, wide, {time, device}), len(names))


def _place(key: str, names: Sequence[str], mapped: Mapping[str, str]) -> int | None:
    if key in mapped:
        return _position(key, mapped[key], names)
    folded = [name.lower() for name in names]
    return next((folded.index(name) for name in _NAMES[key] if name in folded), None)


def _position(key: str, column: str, names: Sequence[str]) -> int:
    if column not in names:
        raise InvalidInput("map", f"{key}={column}: there is no such column, but {', '.join(names)}")
    return names.index(column)


def _wide(names: Sequence[str], wide: Mapping[str, str], taken: set[int | None]) -> Sequence[tuple[str, int]]:
    if wide:
        return [(_checked(key), _position(key, column, names)) for key, column in wide.items()]
    found = [(name, place) for place, name in enumerate(names) if place not in taken and name.lower() not in OTHERS]
    if not found:
        raise InvalidInput("map", "there is no column with values")
    return [(_checked(name), place) for name, place in found]


def _checked(name: str) -> str:
    try:
        check_name(name)
    except Refused as error:
        raise InvalidInput("map", f"{error.reason}; say which columns to read, and as what: --map NAME=COLUMN") from error
    return name
