"""Shadow requests of devices: many documents in one commit."""

import time
from collections.abc import Callable, Mapping, Sequence

import asyncpg

from iotsphere.bus import EventBus
from iotsphere.delivery import Delivery, Sender
from iotsphere.devices._spec import DeviceType
from iotsphere.infra.postgres import Patience, wait_out
from shadow.announcer import ShadowAnnouncer
from shadow.cache import ShadowCache
from shadow.conflict import after_conflict
from shadow.document import Document
from shadow.metrics import ShadowMetrics
from shadow.plan import MAX_NAMED, Plan, Planner
from shadow.publisher import ShadowPublisher
from shadow.shadow_table import Key, ShadowTable, Write

Refuse = Callable[[str, str, str, str], None]
"""(device, category, reason, topic): records a refusal; returns at once."""


class ShadowLane:
    """Commits get, update and delete requests, and answers them.

    Args:
        announcer: told of every change.
        types: what desired may hold.
        refuse: records malformed requests.
    """

    def __init__(
        self,
        pool: "asyncpg.Pool[asyncpg.Record]",
        cache: ShadowCache,
        sender: Sender,
        bus: EventBus,
        announcer: ShadowAnnouncer,
        types: Mapping[str, DeviceType],
        refuse: Refuse,
        metrics: ShadowMetrics | None = None,
    ) -> None:
        self._table = ShadowTable(pool)
        self._cache = cache
        self._announcer = announcer
        self._planner = Planner(types)
        self._refuse = refuse
        self._metrics = metrics or ShadowMetrics(types=types)
        self._publisher = ShadowPublisher(cache, sender, bus, self._metrics)
        self._patience = Patience("shadow")

    def start(self) -> None:
        """Begin to send what commits leave."""
        self._publisher.start()

    async def stop(self) -> None:
        """Send what was committed, within a bound, then end."""
        await self._publisher.stop()

    async def commit(self, batch: Sequence[Delivery]) -> None:
        """Returns when the revisions are committed and the rejections decided. Waits out an absent store; never raises for it."""
        waiting = _by_key(batch)
        attempt = 0
        while waiting:
            plans = await self._plan(waiting)
            stored = await self._store([self._write(plan) for plan in plans if plan.revisions])
            done = [plan for plan in plans if not plan.revisions or plan.key in stored]
            self._finish(done)
            for plan in done:
                del waiting[plan.key]
            if waiting:
                attempt += 1
                self._metrics.conflicts.inc(len(waiting))
                await after_conflict(attempt)

    async def _plan(self, waiting: Mapping[Key, Sequence[Delivery]]) -> list[Plan]:
        documents = await wait_out(self._patience, lambda: self._table.load(waiting.keys()))
        crowded = await self._crowded([key for key in waiting if key[1] and key not in documents])
        now = round(time.time(), 3)
        return [
            self._planner.plan(documents.get(key, Document()), deliveries, now, crowded=key in crowded)
            for key, deliveries in waiting.items()
        ]

    async def _crowded(self, new: Sequence[Key]) -> set[Key]:
        """Those of the new named shadows that their devices have no room for."""
        if not new:
            return set()
        counts = await wait_out(self._patience, lambda: self._table.named_of({device for device, _ in new}))
        beyond = set()
        for key in new:
            counts[key[0]] = counts.get(key[0], 0) + 1
            if counts[key[0]] > MAX_NAMED:
                beyond.add(key)
        return beyond

    def _write(self, plan: Plan) -> Write:
        plan.is_news = self._announcer.has_news(plan.key, plan.current)
        return Write(plan.key, plan.base.version, plan.current, plan.revisions, announced=not plan.is_news)

    async def _store(self, writes: Sequence[Write]) -> set[Key]:
        if not writes:
            return set()
        await self._cache.expect({write.key: write.document.version for write in writes})
        # When the answer to a commit is lost, the next attempt meets its own version as a conflict and applies the updates once
        # more, as it would a message that the device sends again: QoS 1 means at least once.
        return await wait_out(self._patience, lambda: self._table.store(writes))

    def _finish(self, plans: Sequence[Plan]) -> None:
        self._publisher.put(plans)
        for plan in plans:
            for refusal in plan.refusals:
                self._refuse(refusal.device, "validation", refusal.reason, refusal.topic)
            self._metrics.accepted.inc(len(plan.replies) - plan.rejected)
            self._metrics.rejected.inc(plan.rejected)
            for key, seconds in plan.converged:
                self._metrics.converged(plan.record.device_type if not plan.key[1] else "", key, seconds)
            if plan.is_news:
                self._announcer.changed(plan.key, plan.base, plan.token)


def _by_key(batch: Sequence[Delivery]) -> dict[Key, list[Delivery]]:
    grouped: dict[Key, list[Delivery]] = {}
    for delivery in batch:
        grouped.setdefault((delivery.device.id, delivery.route.name or ""), []).append(delivery)
    return grouped
