"""When a device counts as stale (pure)."""

from collections.abc import Mapping

from ingest.history import LatestValue
from iotsphere.devices._spec import DeviceType

Latest = Mapping[str, LatestValue]
INTERVALS = 3


def last_data_at(latest: Latest) -> float | None:
    """The time of the newest reading in ms, None without one."""
    return max((v.ts for v in latest.values()), default=None)


def declared_interval_s(types: Mapping[str, DeviceType], device_type: str) -> float | None:
    """The shortest reporting interval that a type declares, None when it declares none."""
    declared = types.get(device_type)
    return min((m.interval_s for m in declared.measurements if m.interval_s is not None), default=None) if declared else None


def stale_after_s(interval_s: float | None) -> float | None:
    """How old the newest reading may be; None: nobody knows."""
    return None if interval_s is None else INTERVALS * interval_s


def is_stale(newest_ms: float | None, after_s: float | None, now_ms: float, *, connected: bool = True) -> bool | None:
    """Whether a connected device's newest reading is too old, or there is none; None: nobody knows how old it may be.

    Of a device that is not connected that is said, and nothing else.
    """
    if not connected:
        return False
    if newest_ms is None:
        return True
    return None if after_s is None else now_ms - newest_ms > after_s * 1000


def since(latest: Latest, owned_from_ms: float | None) -> Latest:
    """Without what a former owner's time has left."""
    return latest if owned_from_ms is None else {k: v for k, v in latest.items() if v.ts >= owned_from_ms}
