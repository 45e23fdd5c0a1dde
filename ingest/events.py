"""The way of events and status texts to their acknowledgement."""

import time
from collections.abc import Callable, Sequence

import asyncpg

from ingest import dead_letters_table, event_table
from ingest.batch import DeadLetter, letter
from ingest.disk_guard import DiskGuard
from ingest.event_build import build
from ingest.event_table import EventRow, StatusRow
from ingest.metrics import IngestMetrics
from ingest.store import UNSTORABLE
from ingest.validate import Window
from iotsphere.delivery import Delivery
from iotsphere.infra.postgres import AWAY, Patience, Pool

TRIM_EVERY = 1000  # events of a device: so many more than event_table.KEPT may be there

Built = EventRow | StatusRow | DeadLetter


class EventPipeline:
    """decode → validate → store, one row an event; repeated ones are ignored.

    Args:
        pool: the main database.
        letters: the telemetry database, which keeps the dead letters.
        retention_days: older events are refused; asked at each commit.
        guard: commits wait while the disk is full.
        buried: told the dead letters of a commit.
        clock: seconds since the Unix epoch.
    """

    def __init__(
        self,
        pool: Pool,
        letters: Pool,
        *,
        retention_days: Callable[[], int],
        guard: DiskGuard | None = None,
        metrics: IngestMetrics | None = None,
        buried: Callable[[Sequence[DeadLetter]], None] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._pool = pool
        self._letters = letters
        self._retention_days = retention_days
        self._guard = guard
        self._metrics = metrics or IngestMetrics()
        self._buried = buried
        self._clock = clock
        self._patience = Patience("events")
        self._untrimmed: dict[str, int] = {}  # bounded by the number of devices

    async def commit(self, deliveries: Sequence[Delivery]) -> None:
        """Returns when every event is committed or in the dead letters. Waits out an absent PostgreSQL."""
        if self._guard is not None:
            await self._guard.ready()
        window = Window.at(self._clock() * 1000, self._retention_days())
        await self._store([(delivery, build(delivery, window)) for delivery in deliveries])
        self._metrics.events.inc(len(deliveries))

    async def _store(self, items: Sequence[tuple[Delivery, Built]]) -> None:
        """Commit all, or halve until the one that cannot be stored is alone."""
        while True:
            try:
                await self._write([built for _, built in items])
            except UNSTORABLE as error:
                await self._isolate(items, error)
                return
            except (*AWAY, asyncpg.PostgresError) as error:
                await self._patience.lost(error)
            else:
                self._patience.back()
                return

    async def _isolate(self, items: Sequence[tuple[Delivery, Built]], error: Exception) -> None:
        if len(items) == 1:
            items = [(delivery, letter(delivery, None, "store", str(error))) for delivery, _ in items]
            await self._store(items)
            return
        middle = len(items) // 2
        await self._store(items[:middle])
        await self._store(items[middle:])

    async def _write(self, built: Sequence[Built]) -> None:
        # Letters last: rows that are written again are ignored, letters would be there twice.
        async with self._pool.acquire() as connection, connection.transaction():
            events = [row for row in built if isinstance(row, EventRow)]
            await event_table.add(connection, events)
            await event_table.trim(connection, self._due(events))
            await event_table.set_status(connection, [row for row in built if isinstance(row, StatusRow)])
        letters = [row for row in built if isinstance(row, DeadLetter)]
        if letters:
            async with self._letters.acquire() as connection, connection.transaction():
                await dead_letters_table.insert(connection, letters)
            self._metrics.buried(letters)
            if self._buried is not None:
                self._buried(letters)

    def _due(self, events: Sequence[EventRow]) -> list[str]:
        """Whose events are to be counted now: those not seen since the start, and those that have sent TRIM_EVERY more."""
        due = set()
        for event in events:
            count = self._untrimmed.get(event.device, TRIM_EVERY) + 1
            if count > TRIM_EVERY:
                due.add(event.device)
                count = 1
            self._untrimmed[event.device] = count
        return sorted(due)
