"""When a device counts as stale (pure)."""

from collections.abc import Mapping

from ingest.history import LatestValue
from iotsphere.devices._spec import DeviceType

Latest = Mapping[str, LatestValue]
INTERVALS = 3
DEFAULT_INTERVAL_S = 10.0


def last_data_at(latest: Latest) -> float | None:
    """The time of the newest reading in ms, None without one."""
    return max((v.ts for v in latest.values()), default=None)


def stale_after_ms(types: Mapping[str, DeviceType], device_type: str) -> float:
    """How old the newest reading may be: 3 × the shortest reporting interval of the type."""
    declared = types.get(device_type)
    intervals = [m.interval_s for m in declared.measurements] if declared else []
    return INTERVALS * 1000 * min(intervals, default=DEFAULT_INTERVAL_S)


def is_stale(types: Mapping[str, DeviceType], device_type: str, newest_ms: float | None, now_ms: float) -> bool:
    """Whether the newest reading is too old, or there is none."""
    return newest_ms is None or now_ms - newest_ms > stale_after_ms(types, device_type)


def since(latest: Latest, owned_from_ms: float | None) -> Latest:
    """Without what a former owner's time has left."""
    return latest if owned_from_ms is None else {k: v for k, v in latest.items() if v.ts >= owned_from_ms}
