"""What follows a commit and delays no PUBACK: replies to the device, the copy in Redis, the event on the bus."""

from collections.abc import Mapping, Sequence
from itertools import count

from iotsphere.bus import EventBus
from iotsphere.delivery import Sender, Sent
from iotsphere.events import ShadowChanged
from iotsphere.infra.worker import Worker
from shadow.cache import ShadowCache
from shadow.document import Document
from shadow.metrics import ShadowMetrics
from shadow.plan import Plan, Reply
from shadow.shadow_table import Key

MAX_REPLIES = 10_000


def changed(device: str, organization: str, simulated: bool, name: str, document: Document) -> ShadowChanged:
    """The event that tells of a new version."""
    at = document.timestamp * 1000
    return ShadowChanged(
        device=device,
        organization=organization,
        name=name,
        version=document.version,
        delta=document.delta,
        at=at,
        convergence=_unsettled(document),
        simulated=simulated,
    )


def _unsettled(document: Document) -> dict[str, str]:
    progress = document.progress if document.pending else {}
    return {key: progress[key].state for key in document.pending}


class ShadowPublisher:
    """Replies wait in a queue of their own, so that a slow Redis delays none; of changes only the newest per document is kept."""

    def __init__(self, cache: ShadowCache, sender: Sender, bus: EventBus, metrics: ShadowMetrics) -> None:
        self._cache, self._sender, self._bus, self._metrics = cache, sender, bus, metrics
        self._numbers = count()
        self._replies: Worker[int, Reply] = Worker(
            "shadow-replies", self._reply, bound=MAX_REPLIES, on_drop=metrics.replies_dropped.inc
        )
        self._changes: Worker[Key, Plan] = Worker("shadow-changes", self._publish)

    def start(self) -> None:
        """Begin."""
        self._replies.start()
        self._changes.start()

    async def stop(self) -> None:
        """Send what is there, within a bound."""
        await self._replies.stop()
        await self._changes.stop()

    def put(self, plans: Sequence[Plan]) -> None:
        """Leave what was committed; returns at once."""
        for plan in plans:
            for reply in plan.replies:
                self._replies.put(next(self._numbers), reply)
            if plan.revisions:
                self._changes.put(plan.key, plan)

    async def _reply(self, waiting: Mapping[int, Reply]) -> None:
        for reply in waiting.values():
            result = await self._sender.send(reply.device, reply.topic, reply.payload)
            if result.sent is Sent.REFUSED:
                self._metrics.replies_dropped.inc()

    async def _publish(self, plans: Mapping[Key, Plan]) -> None:
        await self._cache.put({key: plan.current for key, plan in plans.items()})
        for (device, name), plan in plans.items():
            await self._bus.publish(changed(device, plan.record.organization, plan.record.simulated, name, plan.current))
