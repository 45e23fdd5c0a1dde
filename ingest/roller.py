"""Brings rollups up to date with the readings: drains the marks of minutes that have ended, then of hours, then of days.

The race that matters: a batch in flight may rely on a mark of its writer that is being drained, and commit after the drain
has read. So the keys are withdrawn first, which waits for the batches in flight (rollup_marks.py). A mark goes in the
transaction that writes the rollup which it stands for: whatever is killed, and whenever, marks are left, never a wrong rollup.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import asyncpg
import structlog

from ingest import rollup_table
from ingest.batch import POSTGRES_EPOCH_US
from ingest.pace import Pace
from ingest.partitions import Partitions
from ingest.periods import MINUTES
from ingest.rollup_marks import MINUTE_US, Key, Marks
from ingest.rollup_table import NOBODY, Mark
from ingest.rollups import Level
from iotsphere.infra.postgres import AWAY, Pool
from iotsphere.pause import set_within

log = structlog.get_logger()

EVERY_SECONDS = 5.0
AGAIN_SECONDS = 5.0
GRACE = timedelta(seconds=5)  # after the end of a bucket, for what is a little late
SLICE = 5000  # marks a transaction, at most
STOP_SECONDS = 5.0
FOREVER = datetime(9999, 1, 1, tzinfo=UTC)
_POSTGRES_EPOCH = datetime.fromtimestamp(POSTGRES_EPOCH_US / 1e6, UTC)


class Roller:
    """One task; those of several processes take turns.

    Args:
        pool: the telemetry database.
        marks: of this process's writer.
        months: the partitions of the rollups by the minute.
        clock: seconds since the Unix epoch.
    """

    def __init__(
        self,
        pool: Pool,
        marks: Marks,
        months: Partitions,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._pool = pool
        self._marks = marks
        self._months = months
        self._clock = clock
        self._certain = True
        self._paces = {level: Pace(SLICE) for level in Level}
        self._stopping = asyncio.Event()
        self._turning = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._run(), name="ingest-roller")

    async def stop(self) -> None:
        """End. What is marked stays marked."""
        self._stopping.set()
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=STOP_SECONDS)
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def turn(self) -> int:
        """Drain all buckets that have ended; returns how many marks that were.

        Raises:
            OSError, asyncpg.PostgresError: PostgreSQL is away (see infra.postgres.AWAY); what was drained is drained.
        """
        ended = datetime.fromtimestamp(self._clock(), UTC) - GRACE
        async with self._turning:
            await self._adopt()
            return sum([await self._drain_all(level, ended - level.width, in_haste=False) for level in Level])

    async def settle(self, before: datetime = FOREVER) -> bool:
        """Drain all that is marked before a moment, whether it has ended or not; whether nothing is left."""
        async with self._turning:
            await self._adopt()
            for level in Level:
                await self._drain_all(level, before, in_haste=True)
        return not await rollup_table.any_left(self._pool, before)

    async def _adopt(self) -> None:
        async with self._pool.acquire() as connection, connection.transaction():
            adopted = await rollup_table.adopt(connection, self._marks.writer)
        if adopted:
            log.info("marks of a writer that is gone are drained by this one", marks=adopted)

    async def _drain_all(self, level: Level, before: datetime, *, in_haste: bool) -> int:
        drained, pace = 0, self._paces[level]
        while not self._stopping.is_set():
            writers = [NOBODY, self._marks.writer] if self._certain else [NOBODY]
            found = await rollup_table.marked(self._pool, level, writers, before, pace.pieces)
            if not found:
                break
            began = time.monotonic()
            drained += await self._drain(level, found)
            rest = pace.took(len(found), time.monotonic() - began)
            if not in_haste:
                await set_within(self._stopping, rest)
        return drained

    async def _drain(self, level: Level, found: Sequence[Mark]) -> int:
        if level is Level.MINUTE:
            found = await self._withdrawn(found)
            await self._months.ensure({MINUTES.number(mark.bucket.astimezone(UTC).date()) for mark in found})
        if found:
            async with self._pool.acquire() as connection, connection.transaction():
                await rollup_table.drain(connection, level, found)
        return len(found)

    async def _withdrawn(self, found: Sequence[Mark]) -> Sequence[Mark]:
        """Those on which no batch relies."""
        if await self._marks.withdraw(map(_key, found)):
            return found
        if self._certain:
            self._certain = False
            log.warning("a batch was given up in the middle of its commit: the next start drains what this process has marked")
        return [mark for mark in found if mark.writer == NOBODY]

    async def _run(self) -> None:
        pause = EVERY_SECONDS
        while not self._stopping.is_set():
            await set_within(self._stopping, pause)
            pause = EVERY_SECONDS
            try:
                await self.turn()
            except (*AWAY, asyncpg.PostgresError) as error:
                log.warning("rollups could not be brought up to date, will be tried again", error=str(error))
                pause = AGAIN_SECONDS


def _key(mark: Mark) -> Key:
    return mark.device, (mark.bucket - _POSTGRES_EPOCH) // timedelta(microseconds=MINUTE_US)
