"""The upkeep of the telemetry schema: partitions ahead, old days dropped, dead letters, boots and accounts bounded."""

import asyncio
import time
from collections.abc import Callable, Sequence

import asyncpg
import structlog

from ingest import boots_table, dead_letters_table, replays_table, retention_table, sequences_table
from ingest.batch import DeadLetter
from ingest.dead_letters_table import Bounds
from ingest.expiry import Expiry
from ingest.metrics import IngestMetrics
from ingest.partitions import Partitions
from ingest.retention_rules import Retention
from iotsphere.infra.postgres import AWAY, Pool
from iotsphere.pause import set_within

log = structlog.get_logger()

EVERY_SECONDS = 6 * 3600.0  # daily work, looked at more often so that a machine that sleeps at night has it done too
LOOK_SECONDS = 60.0  # at what is to be kept: somebody may have changed it
LETTERS_BEFORE_TRIM = 10_000  # a flood of bad messages must not fill the disk until the next turn


class Upkeep:
    """One task that keeps house.

    Args:
        pool: the telemetry database.
        expiry: lets go what is beyond retention.
        retention_days: of raw readings, when nothing else is set.
        letters: how many dead letters are kept.
        on_retention: told what is set whenever that is looked up.
    """

    def __init__(
        self,
        pool: Pool,
        partitions: Partitions,
        expiry: Expiry,
        retention_days: int,
        letters: Bounds,
        metrics: IngestMetrics,
        on_retention: Callable[[Retention], None],
    ) -> None:
        self._expiry = expiry
        self._on_retention = on_retention
        self._retention = Retention(retention_days)
        self._next_turn = 0.0
        self._pool = pool
        self._bounds = letters
        self._metrics = metrics
        self._partitions = partitions
        self._retention_days = retention_days
        self._letters = self._letter_bytes = 0
        self._flood = asyncio.Event()
        self._stopping = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin; the first turn is at once."""
        self._task = asyncio.create_task(self._run(), name="ingest-upkeep")

    async def stop(self) -> None:
        """End."""
        self._stopping = True  # a cancellation alone may get lost inside a driver
        if self._task is not None:
            self._task.cancel()
            self._flood.set()
            await asyncio.gather(self._task, return_exceptions=True)

    def buried(self, letters: Sequence[DeadLetter]) -> None:
        """These dead letters were added."""
        self._letters += len(letters)
        self._letter_bytes += sum(len(letter.payload) for letter in letters)
        if self._letters >= LETTERS_BEFORE_TRIM or self._letter_bytes >= self._bounds.size // 4:
            self._flood.set()

    async def turn(self) -> None:
        """Do everything once."""
        self._letters = self._letter_bytes = 0
        self._flood.clear()
        await self._partitions.make_ahead()
        await self._trim_letters()
        await self.look()
        await boots_table.trim(self._pool, self._retention.raw + 1)
        await sequences_table.trim(self._pool, self._retention.raw + 1)
        await self._expiry.turn(self._retention)

    async def look(self) -> bool:
        """Look up what is to be kept; whether that has changed."""
        before, self._retention = self._retention, await retention_table.read(self._pool, self._retention_days)
        self._on_retention(self._retention)
        return self._retention != before

    async def _trim_letters(self) -> None:
        gone = await dead_letters_table.trim(self._pool, self._bounds)
        await replays_table.trim(self._pool, self._bounds.days)
        if gone:
            self._metrics.trimmed_letters.inc(gone)
            log.warning("dead letters have gone: they were too old or too many", letters=gone, days=self._bounds.days)

    async def _run(self) -> None:
        while not self._stopping:
            try:
                if await self.look() or self._flood.is_set() or time.monotonic() >= self._next_turn:
                    await self.turn()
                    self._next_turn = time.monotonic() + EVERY_SECONDS
            except (*AWAY, asyncpg.PostgresError) as error:
                log.warning("upkeep of the telemetry did not go through, will be tried again", error=str(error))
            if self._stopping:
                return
            await set_within(self._flood, LOOK_SECONDS)
