"""A bounded count of recent failures by key: too many, and the key has to wait."""

import math
from collections import OrderedDict, deque
from collections.abc import Callable

from iotsphere.errors import TooManyRequests


class FailureThrottle:
    """Refuses a key that failed ``limit`` times within ``window_s``. An attempt under way counts as failed until it succeeds,
    so that many at once get no further than many in a row.

    Args:
        clock: seconds.
        max_keys: how many keys are remembered; the one that was tried longest ago is forgotten first.
    """

    def __init__(self, limit: int, window_s: float, clock: Callable[[], float], max_keys: int = 10_000) -> None:
        self._limit, self._window_s, self._clock, self._max_keys = limit, window_s, clock, max_keys
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()

    def check(self, key: str) -> None:
        """Raises:
        TooManyRequests: the key has to wait.
        """
        recent = self._failures.get(key)
        if recent is not None and len(recent) >= self._limit and (wait := recent[0] + self._window_s - self._clock()) > 0:
            raise TooManyRequests(f"too many failed attempts; try again in {in_words(wait)}", wait)

    def attempt(self, key: str) -> None:
        """Count an attempt.

        Raises:
            TooManyRequests: the key has to wait.
        """
        self.check(key)
        self._failures.setdefault(key, deque(maxlen=self._limit)).append(self._clock())
        self._failures.move_to_end(key)
        if len(self._failures) > self._max_keys:
            self._failures.popitem(last=False)

    def forgive(self, key: str) -> None:
        """The newest attempt of the key was none."""
        if recent := self._failures.get(key):
            recent.pop()

    def forget(self, key: str) -> None:
        """Forget the key's failures."""
        self._failures.pop(key, None)


def in_words(seconds: float) -> str:
    """A wait, rounded up: 45 seconds, 5 minutes."""
    count, unit = (math.ceil(seconds), "second") if seconds <= 60 else (math.ceil(seconds / 60), "minute")
    return f"{count} {unit}{'s' if count != 1 else ''}"
