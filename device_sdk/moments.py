"""The moment of a reading, by a clock or without one. Pure."""

from collections.abc import Callable


class Moments:
    """Moments in ms, no two of them the same: two readings of one instant would be one key to the store.

    Args:
        clock: seconds since the Unix epoch; None for a device without one.
        monotonic: seconds; its value here and now is the device's start.
    """

    def __init__(self, clock: Callable[[], float] | None, monotonic: Callable[[], float]) -> None:
        self._clock, self.monotonic = clock, monotonic
        self._start = monotonic()
        self._last = -1.0

    def now(self) -> tuple[float | None, float | None]:
        """``ts`` since the Unix epoch, or ``up`` since the start of a device without a clock; the other is None."""
        if self._clock is None:
            return None, self._unique(self._up() * 1000)
        return self._unique(self._clock() * 1000), None

    def age_clock(self) -> float:
        """Seconds by which ages are counted."""
        return self._up() if self._clock is None else self._clock()

    def age_of(self, at: float) -> float:
        """The same of something that an earlier run has left: without a clock its age counts from now."""
        return self._up() if self._clock is None else at

    def left(self, issued_at: float, expires_at: float) -> float:
        """Seconds until something expires, given both moments in ms; without a clock its whole life begins now."""
        return (expires_at - (issued_at if self._clock is None else self._clock() * 1000)) / 1000

    def _up(self) -> float:
        return self.monotonic() - self._start

    def _unique(self, now: float) -> float:
        # The later one is moved by a microsecond. A clock that is set back is followed.
        now = round(now, 3)
        if 0 <= self._last - now < 1:
            now = round(self._last + 0.001, 3)
        self._last = now
        return now
