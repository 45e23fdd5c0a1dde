"""When a simulated device says what. Pure."""

from collections.abc import Mapping

from iotsphere.devices._spec import DeviceType

DEFAULT_INTERVAL_S = 10.0


class Schedule:
    """Ticks at an even interval; at each some measurements are due.

    Args:
        rate_hz: messages a second with every measurement; None: each measurement at its own interval, one without at each tick.

    Attributes:
        interval_s: from tick to tick.
    """

    def __init__(self, device_type: DeviceType, rate_hz: float | None = None) -> None:
        intervals = {m.key: m.interval_s for m in device_type.measurements if m.interval_s is not None}
        shortest = min(intervals.values(), default=DEFAULT_INTERVAL_S)
        self.interval_s = 1 / rate_hz if rate_hz else shortest
        self._every = {key: 1 if rate_hz else max(1, round(interval / shortest)) for key, interval in intervals.items()}

    def due(self, tick: int, readings: Mapping[str, float]) -> dict[str, float]:
        """The readings to publish at a tick, counted from 0; at the first one all."""
        return {key: value for key, value in readings.items() if tick % self._every.get(key, 1) == 0}
