"""What a soak does, and how long."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Load without and then with kills.

    Attributes:
        seconds: of all, without start, end and comparison. Recoveries that take longer than there is time make it longer.
        kills: kill -9 of each service.
        level_s: from the first message to the moment at which the memory of `edge` is at its level; 0: it is not looked at.
        steady_points: readings after which its memory is looked at again; at the latest when half of the time is over.
        least_flying: messages on their way at each kill.
    """

    seconds: float
    kills: Mapping[str, int]
    level_s: float = 0.0
    steady_points: int = 20_000_000
    least_flying: int = 1000

    def order(self) -> list[str]:
        """Which service is killed when: each evenly over the whole."""
        turns = [((number + 0.5) / count, name) for name, count in self.kills.items() for number in range(count)]
        return [name for _, name in sorted(turns)]
