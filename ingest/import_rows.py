"""What the lines of a file become: rows marked as imported, or a reason why not. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ingest.batch import Row, moment_of
from ingest.import_columns import Columns
from ingest.import_lines import Record
from ingest.import_times import ReadTime, is_plain
from ingest.retention_rules import Retention
from ingest.validate import Declared, check_name, clock_hint, declared_by, metadata, number, quality
from iotsphere.devices._spec import DeviceType
from iotsphere.errors import Refused
from iotsphere.registry import DeviceRecord

IMPORTED = metadata("import")
_TRUTHS = {"true": 1.0, "false": 0.0}


@dataclass(frozen=True, slots=True)
class Reject:
    """A line, or one of its values, that is not stored."""

    line: int
    reason: str
    fields: Sequence[str]


class Rows:
    """Reads records.

    Args:
        columns: what stands where.
        read_time: how times are written.
        device: of all lines; None: each names its own. A line that names another one is not stored.
        devices: those that are registered.
        retention: how long readings are kept; an organization may keep its own for less.
        now: ms since the Unix epoch.
        decimal: point or comma, within values.
    """

    def __init__(
        self,
        columns: Columns,
        read_time: ReadTime,
        device: str | None,
        devices: Mapping[str, DeviceRecord],
        types: Mapping[str, DeviceType],
        retention: Retention,
        now: float,
        decimal: str = ".",
    ) -> None:
        self._columns, self._read_time, self._device, self._devices = columns, read_time, device, devices
        self._width, self._decimal = columns.width, decimal
        self._declared = {key: declared_by(found) for key, found in types.items()}
        self._nothing = Declared({}, {})
        self._retention = retention
        self._window, self._narrower = retention.window(now), retention.narrower(now)
        self._good_names: set[str] = set()

    def read(self, record: Record, rejects: list[Reject]) -> list[Row]:
        """The rows of a record. What is wrong is added to the rejects; an empty field among several is no value."""
        columns, fields = self._columns, record.fields
        try:
            if wrong := record.wrong or self.misfit(fields):
                raise Refused("validation", wrong)
            device = self._owner(fields)
            micros = self._moment(fields[columns.time], device.organization)
        except Refused as error:
            rejects.append(Reject(record.line, error.reason, fields))
            return []
        declared = self._declared.get(device.device_type, self._nothing)
        rows: list[Row] = []
        for name, place in columns.values:
            text = fields[place]
            if not text and columns.measurement is None:
                continue
            try:
                key = name if columns.measurement is None else self._name(fields)
                value = _number(text, self._decimal)
                rows.append((device.id, moment_of(micros), key, value, quality(key, value, declared, IMPORTED)))
            except Refused as error:
                rejects.append(Reject(record.line, f"{name}: {error.reason}" if name else error.reason, fields))
        return rows

    def misfit(self, fields: Sequence[str]) -> str | None:
        """Why fields are too few or too many for a record; None when they are not."""
        if len(fields) < self._width:
            return f"it has {len(fields)} fields, and {self._width} are needed"
        if any(fields[self._columns.fields :]):
            return f"it has {len(fields)} fields, and the header has {self._columns.fields}"
        return None

    def _moment(self, text: str, organization: str) -> int:
        micros = self._read_time(text.strip())
        ms = micros / 1000
        if ms < self._narrower.get(organization, self._window).low:
            raise Refused("clock", f"{self._age(ms)}: {self._kept(organization)}, and import it again")
        if ms > self._window.high:
            raise Refused("clock", clock_hint(ms, self._window.now))
        return micros

    def _kept(self, organization: str) -> str:
        days = self._retention.shorter.get(organization)
        org = "" if days is None else f" --org {organization}"
        return (
            f"readings are kept for {self._retention.raw if days is None else days} days; keep them longer with "
            f"`iotsphere telemetry retention --raw DAYS{org}`"
        )

    def _age(self, ms: float) -> str:
        return f"{(self._window.now - ms) / 86_400_000:.1f} days ago"

    def _owner(self, fields: Sequence[str]) -> DeviceRecord:
        place = self._columns.device
        named = None if place is None else fields[place].strip()
        name = self._device or named
        if named and named != name:
            raise Refused("validation", f"it is of {named[:64]}, and --device says {name}")
        found = self._devices.get(name or "")
        if found is None:
            raise Refused("validation", f"no device {name!r} is registered")
        return found

    def _name(self, fields: Sequence[str]) -> str:
        name = fields[self._columns.measurement or 0].strip()
        if name not in self._good_names:
            check_name(name)
            self._good_names.add(name)
        return name


def _number(text: str, decimal: str) -> float:
    given = text.strip()
    value = _float(given, decimal)
    if value is None:
        truth = _TRUTHS.get(given.lower())
        if truth is None:
            raise Refused("validation", _no_number(given, decimal) if given else "there is no value")
        return truth
    return number(value)


def _float(given: str, decimal: str) -> float | None:
    """None when it is no number; one that is grouped by thousands is none."""
    if not is_plain(given) or (decimal == "," and "." in given):
        return None
    try:
        return float(given.replace(decimal, "."))
    except ValueError:
        return None


def _no_number(given: str, decimal: str) -> str:
    other = "." if decimal == "," else ","
    hint = f"; if {other!r} is its decimal sign, say so: --decimal {other}" if _float(given, other) is not None else ""
    return f"{given[:40]!r} is no number{hint}"
