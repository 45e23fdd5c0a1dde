"""The account of a device's sequence numbers since one start of it (`boot`), or within one session. Pure.

Every number is received, declared lost by the device itself, or missing. It says nothing of what came before the lowest
number that is known: a counter may begin anywhere.
"""

from dataclasses import dataclass, field, replace

from ingest.intervals import Intervals, Range
from iotsphere.messages import MAX_EXACT_INTEGER

RANGES = 256  # in an account; policy beyond: settle the oldest, they are counted and no longer told apart
KEPT = 128  # ranges that stay when the others are settled
HIGHEST = MAX_EXACT_INTEGER


@dataclass(frozen=True, slots=True)
class Settled:
    """Numbers that are only counted.

    Attributes:
        below: all numbers below it are; None when none are.
        declared: declared lost and not received.
    """

    below: int | None = None
    received: int = 0
    missing: int = 0
    declared: int = 0


@dataclass(slots=True)
class Account:
    """What is known of the sequence numbers.

    Attributes:
        seen, dropped: received, and declared lost (what was received all the same is not lost); none of it is settled.
        messages: all that came with a number, repeated ones too.
        late: messages whose number came after a higher one.
    """

    seen: Intervals = field(default_factory=Intervals)
    dropped: Intervals = field(default_factory=Intervals)
    messages: int = 0
    late: int = 0
    settled: Settled = Settled()

    @property
    def lowest(self) -> int | None:
        """Where it begins; None while nothing is known."""
        if self.settled.below is not None:
            return self.settled.below
        return min((edges[0] for edges in (self.seen.edges, self.dropped.edges) if edges), default=None)

    @property
    def highest(self) -> int | None:
        """The highest number received."""
        return self.seen.edges[-1] - 1 if self.seen else None

    @property
    def received(self) -> int:
        """Numbers that came at least once."""
        return self.seen.size() + self.settled.received

    @property
    def repeated(self) -> int:
        """Messages beyond the first of each number."""
        return self.messages - self.received

    @property
    def declared(self) -> int:
        """Numbers that the device says it had to drop, and that never came."""
        return self.dropped.minus(self.seen).size() + self.settled.declared

    def holes(self) -> Intervals:
        """Numbers below the highest that neither came nor are declared lost."""
        lowest, highest = self.lowest, self.highest
        if lowest is None or highest is None:
            return Intervals()
        return Intervals([(lowest, highest)]).minus(self.seen).minus(self.dropped)

    @property
    def missing(self) -> int:
        """How many numbers are missing, those that can no longer be named included."""
        return self.holes().size() + self.settled.missing

    def newest_holes(self, limit: int) -> list[Range]:
        """The last of the missing ranges, ascending."""
        return list(self.holes())[-limit:]


def settle(account: Account) -> Account:
    """The account with at most KEPT ranges of each kind: the older ones are counted and forgotten.

    What comes there later counts as repeated.
    """
    settled = _settle_below(account, _cut(account))
    far = settled.dropped.edges[2 * KEPT :]  # declared lost, far beyond all that came: nobody honest has so many
    if not far:
        return settled
    more = sum(far[1::2]) - sum(far[::2])
    near = settled.dropped.within(0, far[0] - 1)
    return replace(settled, dropped=near, settled=replace(settled.settled, declared=settled.settled.declared + more))


def _cut(account: Account) -> int | None:
    """The number from which all is kept; None when nothing need go."""
    highest = account.highest
    starts = [edges[::2][-KEPT] for edges in (account.seen.edges, account.dropped.edges) if len(edges) > 2 * KEPT]
    return min(max(starts), highest) if starts and highest is not None else None


def _settle_below(account: Account, below: int | None) -> Account:
    lowest, before = account.lowest, account.settled
    if below is None or lowest is None:
        return account
    seen = account.seen.within(lowest, below - 1)
    lost = account.dropped.within(lowest, below - 1).minus(seen).size()
    missing = below - lowest - seen.size() - lost
    return replace(
        account,
        seen=account.seen.within(below, HIGHEST),
        dropped=account.dropped.within(below, HIGHEST),
        settled=Settled(below, before.received + seen.size(), before.missing + missing, before.declared + lost),
    )
