"""A fair queue: each address in turn, and none may hold more than its share."""

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Turns:
    """Lets a bounded number in. Who waits is bounded by the caller.

    Args:
        places: so many at once.
        share: so many of one address; a single address never fills all places.
    """

    def __init__(self, places: int, share: int) -> None:
        self._free = places
        self._share = share
        self._inside: Counter[str] = Counter()
        self._lines: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()  # the next address in turn first

    @asynccontextmanager
    async def of(self, address: str) -> AsyncIterator[None]:
        """Wait for a turn and have it until the end of the block."""
        await self._enter(address)
        try:
            yield
        finally:
            self._leave(address)

    async def _enter(self, address: str) -> None:
        if self._free and address not in self._lines and self._inside[address] < self._share:
            self._free -= 1
            self._inside[address] += 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._lines.setdefault(address, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._leave(address)
            raise

    def _leave(self, address: str) -> None:
        self._free += 1
        self._inside[address] -= 1
        if not self._inside[address]:
            del self._inside[address]
        while self._free and self._call_next():
            pass

    def _call_next(self) -> bool:
        """Give a place to the next address that may have one; False when there is none."""
        for address in list(self._lines):
            line = self._lines[address]
            while line and line[0].done():  # gave up waiting
                line.popleft()
            if line and self._inside[address] >= self._share:
                continue
            del self._lines[address]
            if not line:
                continue
            turn = line.popleft()
            if line:
                self._lines[address] = line  # behind all others
            self._free -= 1
            self._inside[address] += 1
            turn.set_result(None)
            return True
        return False
