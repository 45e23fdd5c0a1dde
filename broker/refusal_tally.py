"""Counts equal refusals together, so that a device which repeats itself fills no table. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Refusal:
    """What makes two refusals equal.

    Attributes:
        device: what the peer claims to be.
        peer: its address without the port.
    """

    device: str | None
    category: str
    reason: str
    topic: str | None
    peer: str


@dataclass(slots=True)
class _Entry:
    count: int = 0
    at: int = 0
    told: float | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """One row: a refusal, how often it came since it was told last, and when it came last (ms since the Unix epoch)."""

    refusal: Refusal
    count: int
    at: int


class Tally:
    """Tells the first of equal refusals at once, and those of the following ``window`` seconds together at its end.

    Policy when full: a refusal of a new kind is not taken.

    Args:
        kinds: different refusals it holds at most.
    """

    def __init__(self, *, kinds: int, window: float) -> None:
        self._kinds = kinds
        self._window = window
        self._entries: dict[Refusal, _Entry] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, refusal: Refusal, at: int) -> bool:
        """Count one; False when it is full."""
        entry = self._entries.get(refusal)
        if entry is None:
            if len(self._entries) >= self._kinds:
                return False
            entry = self._entries[refusal] = _Entry()
        entry.count += 1
        entry.at = at
        return True

    def due(self, now: float) -> list[Told]:
        """What is to be told now; ``now`` in seconds of any steady clock."""
        told = []
        for refusal, entry in list(self._entries.items()):
            if entry.told is not None and now - entry.told < self._window:
                continue
            if entry.count:
                told.append(Told(refusal, entry.count, entry.at))
                entry.count, entry.told = 0, now
            else:
                del self._entries[refusal]
        return told

    def rest(self) -> list[Told]:
        """Everything that was not told yet."""
        return [Told(refusal, entry.count, entry.at) for refusal, entry in self._entries.items() if entry.count]
