"""Packs the index of a day, or of a month of rollups, once its readings have come.

Many devices that each append at an end of their own leave the pages of a B-tree half full: PostgreSQL splits a page in its
middle unless it is the last one. Rebuilt, the index of a day takes little more than half of that, for as long as it is kept.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import asyncpg
import structlog

from ingest import packing_table
from ingest.disk_guard import DiskGuard
from ingest.metrics import IngestMetrics
from ingest.packing_table import Key
from ingest.periods import MINUTES, RAW, Period
from iotsphere.infra.postgres import AWAY
from iotsphere.pause import set_within

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]

log = structlog.get_logger()

FIRST_SECONDS = 600.0  # after a start there is more urgent work
EVERY_SECONDS = 3600.0
SETTLED_SECONDS = 4 * 3600.0  # after the end of a period: devices that were away have sent what they kept
LEAST_BYTES = 1 << 20  # below there is nothing to gain
GROWN = 1.25  # times what it was when packed: a late flood, or an import
CONNECT_SECONDS = 10.0
# One process on one core, beside a writer that needs the others.
SETTINGS = {"application_name": "iotsphere packing", "jit": "off", "max_parallel_maintenance_workers": "0"}


def due(key: Key, period: Period, now: float) -> bool:
    """Whether it is worth while to pack this key; ``now`` in seconds since the Unix epoch. Pure."""
    end = datetime.combine(period.start(key.number + 1), datetime.min.time(), UTC).timestamp()
    if now < end + SETTLED_SECONDS or key.bytes < LEAST_BYTES:
        return False
    return key.packed is None or key.bytes > key.packed * GROWN


class Packer:
    """One task; of those of several processes one works at a time. With TimescaleDB it finds nothing to do.

    Args:
        dsn: the telemetry database.
        guard: asked for room; None when the disk is another machine's.
        clock: seconds since the Unix epoch.
    """

    def __init__(self, dsn: str, guard: DiskGuard | None, metrics: IngestMetrics, clock: Callable[[], float] = time.time) -> None:
        self._dsn, self._guard, self._metrics, self._clock = dsn, guard, metrics, clock
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin; the first turn is after FIRST_SECONDS."""
        self._task = asyncio.create_task(self._run(), name="ingest-packing")

    async def stop(self) -> None:
        """End; an index that is being rebuilt stays as it was."""
        self._stopping.set()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def turn(self) -> int:
        """Pack what is due, one after the other, the newest first; how many.

        Raises:
            OSError, asyncpg.PostgresError: PostgreSQL is away (see infra.postgres.AWAY), or has no room.
        """
        packed = 0
        async with self._connection() as connection:
            if await packing_table.alone(connection):
                for period in (RAW, MINUTES):
                    packed += await self._pack_all(connection, period)
        return packed

    @asynccontextmanager
    async def _connection(self) -> "AsyncIterator[Connection]":
        connection = await asyncpg.connect(self._dsn, timeout=CONNECT_SECONDS, command_timeout=30, server_settings=SETTINGS)
        try:
            yield connection
        finally:
            await connection.close(timeout=CONNECT_SECONDS)

    async def _pack_all(self, connection: "Connection", period: Period) -> int:
        if left := await packing_table.drop_leftovers(connection, period):
            log.info("dropped what interrupted packing has left", table=period.table, indexes=left)
        packed = 0
        for key in await packing_table.keys(connection, period):
            if due(key, period, self._clock()) and self._has_room(key) and not self._stopping.is_set():
                await self._pack(connection, key)
                packed += 1
        return packed

    def _has_room(self, key: Key) -> bool:
        # The new index, and as much in the log.
        if self._guard is None or self._guard.holds(2 * key.bytes):
            return True
        log.warning("an index is not packed for want of disk", index=key.name, bytes=key.bytes)
        return False

    async def _pack(self, connection: "Connection", key: Key) -> None:
        began = time.monotonic()
        after = await packing_table.pack(connection, key.name)
        self._metrics.packed_bytes.inc(max(key.bytes - after, 0))
        log.info("an index is packed", index=key.name, before=key.bytes, after=after, seconds=round(time.monotonic() - began, 1))

    async def _run(self) -> None:
        await set_within(self._stopping, FIRST_SECONDS)
        while not self._stopping.is_set():
            try:
                await self.turn()
            except (*AWAY, asyncpg.PostgresError) as error:
                log.warning("indexes could not be packed, will be tried again", error=str(error) or type(error).__name__)
            await set_within(self._stopping, EVERY_SECONDS)
