"""Numbers of sessions that grow across restarts, without asking the database at a CONNECT."""

import asyncio

import structlog

from iotsphere.errors import StoreUnavailable
from iotsphere.infra.postgres import Patience, Pool, wait_out

log = structlog.get_logger()

BLOCK = 1 << 20


class EpochBlocks:
    """Takes the high part of its numbers from registry.session_epoch, one value a block of BLOCK numbers.

    The next block is fetched when half of one is used up, so half a million CONNECTs go on without PostgreSQL.
    A restart begins a new block. 2^43 blocks fit into a bigint, 2^33 into what JavaScript counts exactly.
    """

    def __init__(self, pool: Pool, *, block: int = BLOCK) -> None:
        self._pool = pool
        self._block = block
        self._next = self._end = 0
        self._reserve: int | None = None
        self._fetch: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Fetch the first block; waits until PostgreSQL is there."""
        await self._refill()

    async def stop(self) -> None:
        """Fetch nothing more."""
        if self._fetch is not None:
            self._fetch.cancel()
            await asyncio.gather(self._fetch, return_exceptions=True)

    def next(self) -> int:
        """The next number.

        Raises:
            StoreUnavailable: both blocks are used up and PostgreSQL has been away all the while.
        """
        if self._next >= self._end:
            self._open_reserve()
        number = self._next
        self._next += 1
        if self._reserve is None and self._fetch is None and (self._end - self._next) * 2 <= self._block:
            self._fetch = asyncio.create_task(self._refill(), name="epochs")
            self._fetch.add_done_callback(self._fetched)
        return number

    def _open_reserve(self) -> None:
        if self._reserve is None:
            raise StoreUnavailable("no session numbers are left, and PostgreSQL does not give any")
        self._next, self._end = self._reserve, self._reserve + self._block
        self._reserve = None

    async def _refill(self) -> None:
        value: int = await wait_out(
            Patience("session numbers"), lambda: self._pool.fetchval("select nextval('registry.session_epoch')")
        )
        self._reserve = value * self._block

    def _fetched(self, task: "asyncio.Task[None]") -> None:
        self._fetch = None
        if not task.cancelled() and (error := task.exception()):
            log.error("fetching session numbers failed, will be tried again", error=str(error))
