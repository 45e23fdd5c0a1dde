"""What arrived of numbered messages, as it is written with the batch that they came in. Plain data."""

import secrets
from dataclasses import dataclass, field

# First and last number, messages, and how many of them came after a higher number; no messages: declared lost.
Entry = list[int]


@dataclass(slots=True)
class Arrivals:
    """The numbers of a batch.

    Attributes:
        serial: counts the batches of a ledger; 0 for none.
        id: made before the commit, so that one whose outcome is unknown can be written again without counting twice.
        keys, firsts, lasts, newest: runs in ascending order with each number once; no event time is later than
            ``newest``, ms since the Unix epoch.
        odd_keys, odd: everything else; what has messages and none of them late is repeated.
    """

    serial: int = 0
    id: int = field(default_factory=lambda: secrets.randbits(63))
    keys: list[str] = field(default_factory=list)
    firsts: list[int] = field(default_factory=list)
    lasts: list[int] = field(default_factory=list)
    newest: list[int] = field(default_factory=list)
    odd_keys: list[str] = field(default_factory=list)
    odd: list[Entry] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.keys or self.odd_keys)

    def counts(self) -> tuple[int, int, int, int]:
        """Numbers that came for the first time, repeated messages, messages after a higher number, numbers declared lost."""
        plain = sum(self.lasts) - sum(self.firsts) + len(self.firsts)
        late = sum(e[3] for e in self.odd)
        repeated = sum(e[2] - e[3] for e in self.odd)
        return plain + late, repeated, late, sum(e[1] - e[0] + 1 for e in self.odd if not e[2])
