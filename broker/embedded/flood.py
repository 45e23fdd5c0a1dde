"""Too many of something within a time."""

from collections import deque
from collections.abc import Callable


class Flood:
    """Counts events in a sliding window.

    Args:
        limit: so many are borne within the window.
        seconds: length of the window.
        clock: seconds, monotonic.
    """

    def __init__(self, limit: int, seconds: float, clock: Callable[[], float]) -> None:
        self._times: deque[float] = deque(maxlen=limit)
        self._seconds, self._clock = seconds, clock

    def hit(self) -> bool:
        """Count one; True when it is one too many."""
        now, times = self._clock(), self._times
        too_many = len(times) == times.maxlen and now - times[0] < self._seconds
        times.append(now)
        return too_many
