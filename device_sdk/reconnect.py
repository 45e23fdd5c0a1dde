"""How long to wait before the next attempt. Pure."""

from collections.abc import Iterator
from random import Random

FIRST_S = 1.0
LONGEST_S = 60.0


def full_jitter(rng: Random, first: float = FIRST_S, longest: float = LONGEST_S) -> Iterator[float]:
    """Seconds to wait, without end: each anywhere between 0 and a bound that doubles up to ``longest``.

    A fleet that lost its broker at one moment comes back spread over the whole bound, not in waves.
    """
    bound = first
    while True:
        yield rng.uniform(0.0, bound)
        bound = min(bound * 2, longest)
