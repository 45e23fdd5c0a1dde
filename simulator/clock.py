"""The clock of the simulated world, which may run faster than ours."""

import time
from collections.abc import Callable


class Clock:
    """Seconds since the Unix epoch in the simulated world. It begins at the real time, and readings keep real time stamps.

    Args:
        speed: simulated seconds per real second.
        now: the real clock.
    """

    def __init__(self, speed: float = 1.0, now: Callable[[], float] = time.time) -> None:
        self._speed = speed
        self._now = now
        self._began = now()

    def __call__(self) -> float:
        return self._began + (self._now() - self._began) * self._speed
