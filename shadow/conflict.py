"""Writers of one document: those of a process take turns, and what one does that met a newer version than it had read."""

import asyncio
import random
from weakref import WeakValueDictionary

from shadow.shadow_table import Key

RETRY_S = 0.002
LONGEST_RETRY_S = 0.05


class Turns:
    """One writer at a time for each document, in the order in which they came; so only other processes are met in the table."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[Key, asyncio.Lock] = WeakValueDictionary()

    def of(self, key: Key) -> asyncio.Lock:
        """To be held while loading and storing. It lives as long as somebody holds it or waits."""
        return self._locks.setdefault(key, asyncio.Lock())


async def after_conflict(attempt: int) -> None:
    """Let the other writer pass: a random wait that grows with the attempts, so that nobody gives up and nobody starves."""
    await asyncio.sleep(random.uniform(0, min(RETRY_S * attempt, LONGEST_RETRY_S)))
