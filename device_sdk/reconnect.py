"""What to make of connections that end: how long to wait before the next attempt, and what is likely wrong. Pure."""

from collections.abc import Iterator
from random import Random

FIRST_S = 1.0
LONGEST_S = 60.0
SHORT_S, SHORT_IN_A_ROW = 10.0, 3
TWICE = "ended by the broker; is this device running twice?"


def full_jitter(rng: Random, first: float = FIRST_S, longest: float = LONGEST_S) -> Iterator[float]:
    """Seconds to wait, without end: each anywhere between 0 and a bound that doubles up to ``longest``.

    A fleet that lost its broker at one moment comes back spread over the whole bound, not in waves.
    """
    bound = first
    while True:
        yield rng.uniform(0.0, bound)
        bound = min(bound * 2, longest)


class ShortSessions:
    """Sessions that end again and again within seconds: MQTT 3.1.1 has no word for *you have connected elsewhere*."""

    def __init__(self) -> None:
        self._in_a_row = 0

    def ended(self, seconds: float, error: str) -> str:
        """Why a session ended, given how long it lasted: what the connection said, and our guess once there were several."""
        self._in_a_row = self._in_a_row + 1 if seconds < SHORT_S else 0
        return f"{error} ({TWICE})" if self._in_a_row >= SHORT_IN_A_ROW else error
