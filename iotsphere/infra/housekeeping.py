"""Deletes what has been kept long enough, some rows at a time."""

import asyncio
from collections.abc import Sequence

import asyncpg
import structlog

from iotsphere.infra.postgres import AWAY, Pool

log = structlog.get_logger()

KEPT_DAYS = 90
AT_ONCE = 10_000
EVERY_SECONDS, AGAIN_SECONDS = 6 * 3600.0, 60.0


class Housekeeping:
    """One task.

    Args:
        statements: each deletes at most $2 rows that are older than $1 days.
        days: how long rows are kept.
    """

    def __init__(self, pool: Pool, statements: Sequence[str], days: int = KEPT_DAYS) -> None:
        self._pool = pool
        self._statements = statements
        self._days = days
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin; the first turn is at once."""
        self._task = asyncio.create_task(self._run(), name="housekeeping")

    async def stop(self) -> None:
        """End."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def turn(self, at_once: int = AT_ONCE) -> int:
        """Do everything once; returns how many rows went.

        Raises:
            OSError, asyncpg.PostgresError: PostgreSQL is away (see infra.postgres.AWAY).
        """
        gone = 0
        for statement in self._statements:
            while deleted := int((await self._pool.execute(statement, self._days, at_once)).rsplit(" ", 1)[1]):
                gone += deleted
                await asyncio.sleep(0.05)  # others want the disk too
        return gone

    async def _run(self) -> None:
        while True:
            wait = EVERY_SECONDS
            try:
                if gone := await self.turn():
                    log.info("deleted what was kept long enough", rows=gone, days=self._days)
            except (*AWAY, asyncpg.PostgresError) as error:
                log.warning("housekeeping did not go through, will be tried again", error=str(error))
                wait = AGAIN_SECONDS
            await asyncio.sleep(wait)
