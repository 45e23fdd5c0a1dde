"""A token bucket that may be overdrawn: what has arrived is handled, and paid for before anything more is read."""

from collections.abc import Callable


class Bucket:
    """Full at the beginning; whoever takes tokens looks at ``debt`` when they are below zero.

    Args:
        rate: tokens a second.
        burst: so many it holds.
        clock: seconds, monotonic.
    """

    __slots__ = ("_burst", "_clock", "_filled_at", "_rate", "tokens")

    def __init__(self, rate: float, burst: float, clock: Callable[[], float]) -> None:
        self._rate, self._burst, self._clock = rate, burst, clock
        self.tokens = burst
        self._filled_at = clock()

    def debt(self) -> float:
        """Fill in what time has brought; seconds until nothing is owed."""
        now = self._clock()
        self.tokens = min(self._burst, self.tokens + (now - self._filled_at) * self._rate)
        self._filled_at = now
        return max(0.0, -self.tokens / self._rate)
