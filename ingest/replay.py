"""Replays dead letters that somebody asked for: decode → validate → store again, and the letter is settled in the same commit."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from itertools import chain

import asyncpg
import structlog

from ingest import dead_letters_table, event_table, replays_table, telemetry_table
from ingest.batch import Row, Rows, day_of
from ingest.dead_letters_table import Claimed
from ingest.event_table import EventRow, StatusRow
from ingest.metrics import IngestMetrics
from ingest.partitions import Partitions
from ingest.rebuild import Rebuilder, Rebuilt
from ingest.store import UNSTORABLE, Outcome, Slot, conflict
from iotsphere.errors import StoreUnavailable
from iotsphere.infra.postgres import AWAY, Connection, Pool
from iotsphere.pause import set_within
from iotsphere.registry import Registry

log = structlog.get_logger()

AT_ONCE = 200  # letters a commit: each may hold 128 KiB
SWEEP_SECONDS = 1.0
AGAIN_SECONDS = 5.0


class Replayer:
    """One task. What it was doing when it was killed is undone by PostgreSQL, and is done again at the next start.

    Args:
        slot: a connection of its own to the telemetry database.
        events: the main database, which keeps events; an event that is there already is left.
        partitions: asked for the days of what is stored.
        rebuilder: makes one for each turn.
        room: waits while the disk is full.
        announce: told of what was stored, after the commit.
    """

    def __init__(
        self,
        slot: Slot,
        events: Pool,
        partitions: Partitions,
        registry: Registry,
        rebuilder: Callable[[], Rebuilder],
        *,
        room: Callable[[], Awaitable[None]],
        announce: Callable[[Outcome], None],
        metrics: IngestMetrics,
    ) -> None:
        self._slot, self._events, self._partitions, self._registry = slot, events, partitions, registry
        self._rebuilder, self._room, self._announce = rebuilder, room, announce
        self._metrics = metrics
        self._asked = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin; the first look is at once."""
        self._task = asyncio.create_task(self._run(), name="ingest-replay")

    async def stop(self) -> None:
        """End; what is under way is undone."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._slot.drop()

    def wake(self, _: str = "") -> None:
        """Somebody asked."""
        self._asked.set()

    async def _run(self) -> None:
        while True:
            pause = SWEEP_SECONDS
            try:
                more = True
                while more:
                    more = await self.turn() > 0
            except (*AWAY, asyncpg.PostgresError, StoreUnavailable) as error:
                self._slot.drop()
                pause = AGAIN_SECONDS
                log.warning("dead letters could not be replayed, will be tried again", error=str(error) or repr(error))
            except Exception:  # a defect of ours must not end this task
                self._slot.drop()
                pause = AGAIN_SECONDS
                log.exception("a replay failed")
            await set_within(self._asked, pause)
            self._asked.clear()

    async def turn(self) -> int:
        """Replay some of what is asked for; returns how many letters were settled.

        Raises:
            OSError, asyncpg.PostgresError: PostgreSQL is away (see infra.postgres.AWAY); nothing has changed.
            StoreUnavailable: the registry cannot be asked; nothing has changed.
        """
        await self._room()
        try:
            return await self._replay(AT_ONCE)
        except UNSTORABLE:  # one of them: alone, it can be told
            return await self._replay(1)

    async def _replay(self, limit: int) -> int:
        connection = await self._slot.connection()
        async with connection.transaction():
            claimed = await dead_letters_table.claim(connection, limit)
            if not claimed:
                return 0
            rebuilder = self._rebuilder()
            tried = [await self._rebuilt(connection, rebuilder, letter) for letter in claimed]
            stored = await self._store(connection, tried)
            await self._settle(connection, tried)
        self._announce(Outcome([stored]))
        return len(claimed)

    async def _rebuilt(self, connection: Connection, rebuilder: Rebuilder, claimed: Claimed) -> Rebuilt:
        rebuilt = await rebuilder.rebuild(claimed, await self._registry.find(claimed.device_id))
        if claimed.measurement is None and len(rebuilt.letters) > 1:
            known = await dead_letters_table.siblings(connection, claimed)
            rebuilt.letters = [one for one in rebuilt.letters if one.measurement is None or one.measurement not in known]
        return rebuilt

    async def _store(self, connection: "asyncpg.Connection[asyncpg.Record]", tried: Sequence[Rebuilt]) -> list[Row]:
        """Rows that are in the table now.

        Raises:
            UNSTORABLE: one of several letters; of a single one it becomes the reason.
        """
        await self._partitions.ensure({day_of(row) for one in tried for row in one.rows})
        try:
            async with connection.transaction():
                stored = await self._merge(connection, tried)
            await self._add_events([one.event for one in tried if one.event is not None])
        except UNSTORABLE as error:
            if len(tried) > 1:
                raise
            tried[0].fail("store", str(error) or type(error).__name__)
            return []
        return stored

    async def _merge(self, connection: "asyncpg.Connection[asyncpg.Record]", tried: Sequence[Rebuilt]) -> list[Row]:
        rows, owners = Rows(), list(chain.from_iterable([one] * len(one.rows) for one in tried))
        for one in tried:
            rows.add(one.rows, one.delivery)
        conflicts = dict((await telemetry_table.merge(connection, rows.rows)).conflicts)
        for position, stored in conflicts.items():
            owners[position].letters.append(conflict(rows, position, stored))
        return [row for position, row in enumerate(rows.rows) if position not in conflicts]

    async def _add_events(self, built: Sequence[EventRow | StatusRow]) -> None:
        if built:
            async with self._events.acquire() as connection, connection.transaction():
                await event_table.add(connection, [row for row in built if isinstance(row, EventRow)])
                await event_table.set_status(connection, [row for row in built if isinstance(row, StatusRow)])

    async def _settle(self, connection: Connection, tried: Sequence[Rebuilt]) -> None:
        failed = [one for one in tried if one.letters]
        through = [one.claimed.id for one in tried if not one.letters]
        await dead_letters_table.came_through(connection, through)
        await dead_letters_table.failed(connection, [(one.claimed.id, one.letters[0]) for one in failed])
        for one in failed:  # what more is wrong with a message of which nothing could be told before
            await dead_letters_table.insert(connection, one.letters[1:], one.claimed.replays + 1)
        await replays_table.count(connection, _counts(tried))
        self._metrics.replayed(len(through), len(failed))


def _counts(tried: Sequence[Rebuilt]) -> Mapping[str, tuple[int, int]]:
    """How many came through and failed, by the wish."""
    counts: dict[str, tuple[int, int]] = {}
    for one in tried:
        through, failed = counts.get(one.claimed.replay, (0, 0))
        counts[one.claimed.replay] = (through, failed + 1) if one.letters else (through + 1, failed)
    return counts
