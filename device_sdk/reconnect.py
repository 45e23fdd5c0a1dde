"""What to make of connections that end: how long to wait before the next attempt, and what is likely wrong. Pure."""

from random import Random

FIRST_S = 1.0
LONGEST_S = 60.0
SHORT_S, SHORT_IN_A_ROW = 10.0, 3
TWICE = "ended by the broker; is this device running twice?"
ELSEWHERE = "the connection ended without a word: by the network or the broker; the same id may have connected elsewhere"
_WITHOUT_A_WORD = ("Unspecified error", "Disconnected during message iteration")  # in the words of paho and of aiomqtt


class FullJitter:
    """How long to wait before the next attempt: anywhere between 0 and a bound that doubles.

    A fleet that lost its broker at one moment comes back spread over the whole bound, not in waves.

    Args:
        first, longest: the bound in seconds, at first and at most.
    """

    def __init__(self, rng: Random, first: float = FIRST_S, longest: float = LONGEST_S) -> None:
        self._rng, self._first, self._longest = rng, first, longest
        self._bound = first

    def next(self) -> float:
        """Seconds to wait now."""
        bound, self._bound = self._bound, min(self._bound * 2, self._longest)
        return self._rng.uniform(0.0, bound)

    def served(self, seconds: float) -> None:
        """A session has ended that lasted so long. One that was shorter than the wait before it has not calmed anything."""
        if seconds >= self._bound:
            self._bound = self._first


class ShortSessions:
    """Sessions that end again and again within seconds: MQTT 3.1.1 has no word for *you have connected elsewhere*."""

    def __init__(self) -> None:
        self._in_a_row = 0

    def ended(self, seconds: float, error: str) -> str:
        """Why a session ended, given how long it lasted: what the connection said, and our guess once there were several."""
        error = ELSEWHERE if error.endswith(_WITHOUT_A_WORD) else error
        self._in_a_row = self._in_a_row + 1 if seconds < SHORT_S else 0
        return f"{error} ({TWICE})" if self._in_a_row >= SHORT_IN_A_ROW else error
