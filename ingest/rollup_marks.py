"""Which (device, minute) this writer has marked dirty, so that a steady device costs one small row a minute.

A mark is committed with the readings that it is for. Later readings of the same device and minute rely on it, as long as it is
known to be durable and nobody is about to drain it; roller.py has the other half.
"""

import asyncio
from collections.abc import Iterable, Iterator, Set
from contextlib import contextmanager
from dataclasses import dataclass, field

from ingest.batch import Row

MINUTE_US = 60_000_000
Key = tuple[str, int]
"""A device and a minute (minutes since 2000-01-01 UTC)."""
MOST = 1_000_000  # keys that are remembered; policy when there are more: forget all, they are marked once more


def keys_of(rows: Iterable[Row]) -> set[Key]:
    """The keys of rows."""
    keys: set[Key] = set()
    add = keys.add
    moment, device = None, ""
    for row in rows:  # readings of a message share one moment: a third of the time that a comprehension takes
        if row[1] is not moment or row[0] is not device:
            moment, device = row[1], row[0]
            add((device, moment[0] // MINUTE_US))
    return keys


@dataclass(frozen=True, slots=True)
class Needed:
    """The marks that a batch must bring, and since when that is known."""

    keys: Set[Key] = field(default_factory=frozenset)
    life: int = 0


class Marks:
    """What the connections of one writer share. Nothing is read or written here."""

    def __init__(self) -> None:
        self.writer = 0  # from telemetry.rollup_writers; 0: not asked for yet
        self._durable: set[Key] = set()
        self._life = 0
        self._flights: set[asyncio.Future[None]] = set()
        self._uncertain = False

    @contextmanager
    def flight(self) -> Iterator[None]:
        """Around everything from the choice of a batch's marks to the certainty that it is committed."""
        flight = asyncio.get_running_loop().create_future()
        self._flights.add(flight)
        try:
            yield
        except BaseException:
            # Given up: the server may commit it yet, relying on marks that therefore must not be drained. Whoever adopts them
            # waits until the connections of this writer are gone.
            self._uncertain = True
            raise
        finally:
            self._flights.discard(flight)
            flight.set_result(None)

    def forget(self) -> None:
        """Rely on no earlier mark: a connection is new, and meanwhile the marks of this writer may have been adopted."""
        self._life += 1
        self._durable.clear()

    def needed(self, keys: Set[Key]) -> Needed:
        """Which of these the batch that is about to be written must mark."""
        return Needed(keys - self._durable, self._life)

    def committed(self, needed: Needed) -> None:
        """These marks are durable."""
        if needed.life != self._life:
            return  # they may have been drained before their writer heard of the commit
        if len(self._durable) > MOST:
            self._durable.clear()
        self._durable.update(needed.keys)

    async def withdraw(self, keys: Iterable[Key]) -> bool:
        """From now on no batch relies on a mark that these keys have; returns when no batch in flight does.

        Returns:
            Whether that is so: no more once a batch was given up and nobody knows whether it will be committed.
        """
        self._life += 1
        self._durable.difference_update(keys)
        if self._flights:
            await asyncio.wait(tuple(self._flights))
        return not self._uncertain
