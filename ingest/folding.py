"""Moves the journal of arrivals into the accounts of sequence numbers, beside the commits."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
import structlog

from ingest import sequences_table
from ingest.arrivals import Arrivals
from ingest.metrics import IngestMetrics
from iotsphere.infra.postgres import AWAY, Patience, Pool, wait_out
from iotsphere.pause import set_within

log = structlog.get_logger()

SHORTEST_PAUSE, LONGEST_PAUSE = 1.0, 30.0
AGAIN_SECONDS = 5.0
STOP_SECONDS = 5.0  # for the fold that is under way
REST = 50  # after a fold, so many times as long as it took: at most a fiftieth of the time goes into this


class Folding:
    """One task. Accounts lag behind by its pause; what is in the journal is committed and waits there, whatever happens.

    Args:
        pool: the telemetry database.
    """

    def __init__(self, pool: Pool, metrics: IngestMetrics) -> None:
        self._pool = pool
        self._metrics = metrics
        self._patience = Patience("sequence numbers")
        self._uncertain: set[int] = set()
        self._arrived = asyncio.Event()
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Fold what an earlier process left, then begin; waits while PostgreSQL is away."""
        await wait_out(self._patience, self.turn)
        self._task = asyncio.create_task(self._run(), name="ingest-folding")

    async def stop(self) -> None:
        """End. What is still in the journal is folded at the next start."""
        self._stopping.set()
        self._arrived.set()
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=STOP_SECONDS)
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    @contextmanager
    def without(self, arrivals: Arrivals) -> Iterator[None]:
        """While these are being committed they are left alone: a commit whose outcome is unknown is tried once more."""
        if not arrivals:
            yield
            return
        self._uncertain.add(arrivals.id)
        try:
            yield
        finally:
            self._uncertain.discard(arrivals.id)
            self._arrived.set()

    async def turn(self) -> None:
        """Fold everything that is certain."""
        more = True
        while more and not self._stopping.is_set():
            async with self._pool.acquire() as connection, connection.transaction():
                more = await sequences_table.fold(connection, self._uncertain)
        self._metrics.sequence_missing.set((await sequences_table.totals(self._pool, None)).missing)

    async def _run(self) -> None:
        pause = SHORTEST_PAUSE
        while not self._stopping.is_set():
            await self._arrived.wait()
            if await set_within(self._stopping, pause):
                return
            self._arrived.clear()
            pause = await self._turn()

    async def _turn(self) -> float:
        """One turn; returns how long to pause after it."""
        began = time.monotonic()
        try:
            await self.turn()
        except (*AWAY, asyncpg.PostgresError) as error:
            log.warning("sequence numbers could not be folded, will be tried again", error=str(error))
            self._arrived.set()
            return AGAIN_SECONDS
        return min(max(SHORTEST_PAUSE, REST * (time.monotonic() - began)), LONGEST_PAUSE)
