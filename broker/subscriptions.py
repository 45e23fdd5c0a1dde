"""Filters of devices without a clean session: in memory, written behind to PostgreSQL, told when they are certain."""

from collections.abc import Callable, Mapping

import structlog

from broker import subscription_table
from broker.metrics import WriterMetrics
from iotsphere.infra.postgres import Patience, Pool, wait_out
from iotsphere.infra.worker import Worker

log = structlog.get_logger()

Key = tuple[str, str]  # device, filter
BOUND = 500_000


class KeptSubscriptions:
    """Implements broker.embedded.subscription_store.SubscriptionStore.

    Changes wait while PostgreSQL is away; policy when BOUND of them do: the oldest is given up and counted, and its
    device has to subscribe again after a restart.

    Args:
        pool: one connection is enough.
    """

    def __init__(self, pool: Pool, metrics: WriterMetrics | None = None) -> None:
        self._pool = pool
        self._metrics = metrics or WriterMetrics()
        self._kept: dict[str, dict[str, int]] = {}
        self._certain: list[Callable[[], None]] = []
        self._is_writing = False
        self._patience = Patience("subscriptions")
        self._worker: Worker[Key, int | None] = Worker("subscriptions", self._write, bound=BOUND, on_drop=self._dropped)

    def __len__(self) -> int:
        return sum(map(len, self._kept.values()))

    async def start(self) -> None:
        """Read all and begin to write; waits until PostgreSQL is there."""
        await wait_out(self._patience, self._load)
        self._worker.start()

    async def stop(self) -> None:
        """Write what waits, within a second, and end."""
        await self._worker.stop()

    async def _load(self) -> None:
        kept: dict[str, dict[str, int]] = {}
        async with self._pool.acquire() as connection:
            async for device, topic_filter, qos in subscription_table.every(connection):
                kept.setdefault(device, {})[topic_filter] = qos
        self._kept = kept

    def get(self, device: str) -> Mapping[str, int]:
        """Filter → granted QoS of a device, empty when none is kept."""
        return self._kept.get(device, {})

    def change(self, device: str, change: Mapping[str, int | None], done: Callable[[], None]) -> None:
        """Keep a change; ``done`` is called once it is committed, at once when nothing changes and nothing is under way."""
        kept = self._kept.get(device, {})
        if not self._is_writing and not len(self._worker) and all(kept.get(name) == qos for name, qos in change.items()):
            done()
            return
        self._certain.append(done)
        for topic_filter, qos in change.items():
            self._worker.put((device, topic_filter), qos)
        self._remember(device, change)

    def _remember(self, device: str, change: Mapping[str, int | None]) -> None:
        kept = self._kept.setdefault(device, {})
        for topic_filter, qos in change.items():
            if qos is None:
                kept.pop(topic_filter, None)
            else:
                kept[topic_filter] = qos
        if not kept:
            del self._kept[device]

    async def _write(self, batch: dict[Key, int | None]) -> None:
        certain, self._certain = self._certain, []
        self._is_writing = True
        try:
            await wait_out(self._patience, lambda: self._commit(batch))
        except Exception:  # a defect of ours: better to serve the clients now than to leave them without an answer
            log.exception("filters were not kept, their devices are deaf after a restart", filters=len(batch))
        self._is_writing = False
        for done in certain:
            done()

    async def _commit(self, batch: Mapping[Key, int | None]) -> None:
        async with self._pool.acquire() as connection, connection.transaction():
            await subscription_table.put(connection, [(*key, qos) for key, qos in batch.items() if qos is not None])
            await subscription_table.remove(connection, [key for key, qos in batch.items() if qos is None])

    def _dropped(self) -> None:
        self._metrics.subscriptions_dropped.inc()
