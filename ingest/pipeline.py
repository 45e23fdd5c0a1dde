"""The way of telemetry from a batch of messages to its acknowledgement."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence

from ingest import boots_table, sequences_table
from ingest.announce import Announcer
from ingest.batch import Batch, DeadLetter, letter
from ingest.boots import BootOffsets
from ingest.build import BatchBuilder
from ingest.dead_letters_table import Bounds
from ingest.disk_guard import DiskGuard
from ingest.expiry import Expiry
from ingest.folding import Folding
from ingest.latest import LatestStore
from ingest.ledger import Ledger
from ingest.metrics import IngestMetrics
from ingest.packing import Packer
from ingest.partitions import Partitions
from ingest.periods import MINUTES
from ingest.retention import Upkeep
from ingest.retention_rules import Retention
from ingest.roller import Roller
from ingest.rollup_marks import Marks
from ingest.store import Outcome, Store
from iotsphere.bus import EventBus
from iotsphere.delivery import Delivery
from iotsphere.devices._spec import DeviceType
from iotsphere.infra.postgres import Patience, Pool, wait_out


class TelemetryPipeline:
    """decode → validate → batch → store → announce.

    Args:
        dsn: the telemetry database; two connections of its own are opened for the commits.
        pool: the same database, for partitions, boots and upkeep.
        types: the device types by key.
        bus, latest: told after each commit; started and stopped by the caller.
        retention_days: older readings are refused and dropped, unless the database says otherwise.
        registry: the main database, when that is another one.
        letters: how many dead letters are kept.
        guard: commits wait while the disk is full.
        clock: seconds since the Unix epoch.
    """

    def __init__(
        self,
        dsn: str,
        pool: Pool,
        types: Mapping[str, DeviceType],
        bus: EventBus,
        latest: LatestStore,
        *,
        retention_days: int,
        registry: "Pool | None" = None,
        letters: Bounds | None = None,
        guard: DiskGuard | None = None,
        metrics: IngestMetrics | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._pool = pool
        self._guard = guard
        self._clock = clock
        self._metrics = metrics or IngestMetrics()
        self._boots = BootOffsets()
        self._ledger = Ledger()
        self._looking_up = asyncio.Lock()
        self._builder = BatchBuilder(types, retention_days, self._boots, self._ledger)
        self._folding = Folding(pool, self._metrics)
        self._partitions = Partitions(pool, retention_days, clock)
        marks, months = Marks(), Partitions(pool, None, clock, period=MINUTES)
        self._store = Store(dsn, self._partitions, self._metrics, marks)
        self._roller = Roller(pool, marks, months, clock)
        self._upkeep = Upkeep(
            pool,
            self._partitions,
            Expiry(pool, registry or pool, self._partitions, months, self._roller, clock),
            retention_days,
            letters or Bounds(),
            self._metrics,
            self._builder.keep,
        )
        self._packer = Packer(dsn, guard, self._metrics, clock)
        self._announcer = Announcer(bus, latest, self._metrics)
        self._patience = Patience("telemetry clocks, numbers and partitions")

    @property
    def retention(self) -> Retention:
        """How long readings are kept at present, and which are gone."""
        return self._builder.retention

    @property
    def raw_days(self) -> int:
        """How long raw readings are kept at present."""
        return self._builder.retention.raw

    async def start(self) -> None:
        """Make the partitions around today and begin; waits while PostgreSQL is away."""
        await wait_out(self._patience, self._partitions.load)
        await self._folding.start()
        self._roller.start()
        self._upkeep.start()
        self._packer.start()
        self._announcer.start()

    async def stop(self) -> None:
        """Announce what was committed, and end. No commit may be under way."""
        await self._folding.stop()
        await self._packer.stop()
        await self._upkeep.stop()
        await self._roller.stop()
        await self._announcer.stop()
        await self._store.close()

    async def commit(self, deliveries: Sequence[Delivery]) -> None:
        """Returns when every reading is committed or in the dead letters. Two may run at once. Waits out an absent PostgreSQL."""
        if self._guard is not None:
            await self._guard.ready()
        batch = await self._build(deliveries)
        outcome = await self._commit(batch)
        self.announce(outcome)
        self._metrics.messages.inc(len(deliveries))

    def announce(self, outcome: Outcome) -> None:
        """This was committed, here or by somebody else. Returns at once."""
        self._announcer.offer(outcome)

    async def _build(self, deliveries: Sequence[Delivery]) -> Batch:
        now_ms = self._clock() * 1000
        batch = self._builder.build(deliveries, now_ms)
        if batch.deferred:
            await self._look_up(batch, now_ms)
        return batch

    async def _look_up(self, batch: Batch, now_ms: float) -> None:
        """Settle the clocks of devices that have none, learn what numbers are committed, and build what waited for that.

        One batch at a time, in the order of arrival: else a number would seem to come after a higher one.
        """
        waited = self._looking_up.locked()
        async with self._looking_up:
            if waited:  # another one has perhaps learned it
                self._build_deferred(batch, now_ms)
            while batch.deferred:
                await self._learn(batch)
                self._build_deferred(batch, now_ms)

    async def _learn(self, batch: Batch) -> None:
        if batch.unknown:
            self._boots.learn(await wait_out(self._patience, lambda: boots_table.settle(self._pool, batch.unknown)))
        if batch.strange:
            found = await wait_out(self._patience, lambda: sequences_table.find(self._pool, batch.strange))
            self._ledger.learn(batch.strange, found)

    def _build_deferred(self, batch: Batch, now_ms: float) -> None:
        deferred, batch.deferred, batch.unknown, batch.strange = batch.deferred, [], {}, {}
        self._builder.build(deferred, now_ms, batch)

    async def _commit(self, batch: Batch) -> Outcome:
        if not batch.size() and not batch.arrivals:
            self._ledger.committed(batch.arrivals)
            return Outcome()
        began = time.perf_counter()
        with self._folding.without(batch.arrivals):
            outcome = await self._store.store(batch)
        self._ledger.committed(batch.arrivals)
        self._metrics.arrived(batch.arrivals)
        points = sum(map(len, outcome.rows))
        self._metrics.commit_seconds.observe(time.perf_counter() - began)
        self._metrics.batch_points.observe(points)
        self._metrics.points.inc(points)
        if outcome.letters:
            self._metrics.buried(outcome.letters)
            self.buried(outcome.letters)
        return outcome

    async def bury(self, delivery: Delivery, reason: str) -> None:
        """Keep a message that nothing can be made of in the dead letters; returns when it is committed."""
        await self._commit(Batch(letters=[letter(delivery, None, "store", reason)]))

    def buried(self, letters: Sequence[DeadLetter]) -> None:
        """These dead letters were added, here or by somebody else: they are trimmed in time."""
        self._upkeep.buried(letters)
