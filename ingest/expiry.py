"""Lets go what has been kept long enough: whole partitions of readings and minutes, slices of hours and days, and the readings of
the devices of an organization that keeps less.

What a reading has added to its rollups stays: marks are drained before anything goes.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import structlog

from ingest import owner_reads, retention_table
from ingest.engine import engine_of
from ingest.partitions import Partitions
from ingest.periods import RAW
from ingest.retention_rules import INSTALLATION, Retention
from ingest.roller import Roller
from ingest.rollup_table import TABLES
from ingest.rollups import DAY, HOUR, Level
from iotsphere.infra.postgres import Pool

log = structlog.get_logger()

SLICE = 10_000  # rollups a statement
REST = 4  # after a slice, so many times as long as it took: others want the disk too
LONGEST_REST = 5.0


class Expiry:
    """What the native engine does daily. TimescaleDB has policies of its own, which know no organizations.

    Args:
        pool: the telemetry database.
        registry: the database of the registry.
        days, months: the partitions of the readings, and of the rollups by the minute.
        roller: drains before anything goes.
        clock: seconds since the Unix epoch.
    """

    def __init__(
        self,
        pool: Pool,
        registry: Pool,
        days: Partitions,
        months: Partitions,
        roller: Roller,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._pool, self._registry = pool, registry
        self._days, self._months, self._roller = days, months, roller
        self._clock = clock

    async def turn(self, retention: Retention) -> None:
        """Let everything go that is beyond retention.

        Raises:
            OSError, asyncpg.PostgresError: PostgreSQL is away (see infra.postgres.AWAY); what is gone is gone.
        """
        async with self._pool.acquire() as connection:
            engine = await engine_of(connection)
        if engine.name == "native":
            await self._turn(retention)
        elif retention.shorter:
            log.warning("TimescaleDB keeps the readings of all organizations equally long", organizations=list(retention.shorter))

    async def _turn(self, retention: Retention) -> None:
        self._days.keep_days, self._months.keep_days = retention.raw, retention.levels[Level.MINUTE]
        await self._drop_days()
        await self._months.drop_expired()
        for level in (Level.HOUR, Level.DAY):
            await self._delete_rollups(level, retention.levels[level])
        for organization, days in retention.shorter.items():
            await self._delete_readings(organization, days)

    async def _drop_days(self) -> None:
        expired = await self._days.expired()
        if not expired:
            return
        end = datetime.combine(RAW.start(expired[-1].number + 1), datetime.min.time(), UTC)
        if await self._roller.settle(end):
            await retention_table.let_go(self._pool, INSTALLATION, end)
            await self._days.drop_expired()
        else:
            log.warning("readings beyond retention stay until their rollups are drained", before=end.isoformat())

    async def _delete_rollups(self, level: Level, days: int | None) -> None:
        if days is None:
            return
        gone, before = 0, cutoff(self._clock(), days)
        while deleted := await self._rested(retention_table.delete_rollups(self._pool, TABLES[level], before, SLICE)):
            gone += deleted
        if gone:
            log.info("deleted rollups beyond retention", level=level.name.lower(), rows=gone)

    async def _delete_readings(self, organization: str, days: int) -> None:
        before = cutoff(self._clock(), days)
        if not await self._roller.settle(before):
            return
        gone = 0
        for device in await owner_reads.devices_of(self._registry, organization):
            while (first := await retention_table.oldest(self._pool, device, before)) is not None:
                if not gone:
                    await retention_table.let_go(self._pool, organization, before)
                low = first.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
                high = min(before, low + 6 * HOUR)
                gone += await self._rested(retention_table.delete_readings(self._pool, device, low, high))
        if gone:
            log.info("deleted readings of an organization that keeps less", organization=organization, rows=gone, days=days)

    async def _rested(self, work: Awaitable[int]) -> int:
        began = time.perf_counter()
        done = await work
        await asyncio.sleep(min(REST * (time.perf_counter() - began), LONGEST_REST))
        return done


def cutoff(now: float, days: int) -> datetime:
    """What is earlier goes: a whole day, and a day more than it is kept, since its last reading was taken until then."""
    midnight = datetime.fromtimestamp(now, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight - (days + 1) * DAY
