"""Command delivery on an event loop of its own, beside the one of broker and ingest, and what goes over between the two."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import AsyncExitStack
from functools import partial

from broker.embedded.engine import EmbeddedBroker
from commands.delivery import CommandDelivery, Refuse, acknowledges_command, hears_commands
from commands.metrics import CommandMetrics
from iotsphere.bus import Publisher
from iotsphere.delivery import Delivery, SendResult
from iotsphere.events import Event
from iotsphere.infra.metrics import SignalMetrics
from iotsphere.infra.postgres import Pool, make_pool
from iotsphere.infra.side_loop import SideLoop
from iotsphere.infra.valkey_signals import ValkeySignals
from iotsphere.registry import DeviceRecord
from iotsphere.signals import EDGE_COMMAND

CONNECTIONS = 4


class CommandsBeside:
    """What `edge` sees of command delivery. Made and used in its loop; delivery, pool and signals live in the other.

    Args:
        broker, refuse, bus: of this loop.
    """

    def __init__(
        self,
        dsn: str,
        redis_url: str,
        broker: EmbeddedBroker,
        refuse: Refuse,
        bus: Publisher,
        metrics: CommandMetrics,
        nudges: SignalMetrics,
    ) -> None:
        self._dsn, self._redis_url, self._metrics, self._nudges = dsn, redis_url, metrics, nudges
        self._home = Home(broker, refuse, bus)
        self._side = SideLoop("commands")
        self._stack = AsyncExitStack()
        self._delivery: CommandDelivery | None = None
        self._signals: ValkeySignals | None = None

    async def start(self) -> None:
        """Begin. PostgreSQL and Valkey may be away."""
        self._side.start()
        try:
            self._delivery = await self._side.run(self._build())
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Note and tell what has happened, within a bound, then end."""
        await self._side.run(self._stack.aclose())
        await self._side.stop()

    async def _build(self) -> CommandDelivery:
        pool: Pool = await make_pool(self._dsn, name="edge commands", low=0, high=CONNECTIONS, plan="force_generic_plan")
        self._stack.callback(pool.terminate)  # a close would wait for a server that is away
        signals = self._signals = ValkeySignals(self._redis_url, metrics=self._nudges)
        delivery = CommandDelivery(pool, self._home, signals, self._home, self._home.refuse, self._metrics)
        signals.on(EDGE_COMMAND, delivery.wake)
        delivery.start()
        self._stack.push_async_callback(delivery.stop)
        await signals.start()
        self._stack.push_async_callback(signals.stop)
        return delivery

    def healthy(self) -> bool:
        """Whether nudges are heard now."""
        return self._signals is not None and self._signals.healthy()

    def on_subscribed(self, device: DeviceRecord, session: int, topic_filter: str) -> None:
        """See CommandDelivery."""
        if self._delivery is not None and hears_commands(device, topic_filter):
            self._side.call(self._delivery.on_subscribed, device, session, topic_filter)

    def on_delivered(self, device: str, session: int, message: str) -> None:
        """See CommandDelivery."""
        if self._delivery is not None and acknowledges_command(message):
            self._side.call(self._delivery.on_delivered, device, session, message)

    async def commit(self, batch: Sequence[Delivery]) -> None:
        """See CommandDelivery."""
        assert self._delivery is not None  # noqa: S101 - the broker starts after it
        await self._side.run(self._delivery.commit(batch))


class Home:
    """What delivery reaches in the loop in which this is made: implements Sender and Publisher."""

    def __init__(self, broker: EmbeddedBroker, refuse: Refuse, bus: Publisher) -> None:
        self._broker, self._refuse, self._bus = broker, refuse, bus
        self._loop = asyncio.get_running_loop()

    async def send(
        self, device: str, topic: str, payload: bytes, *, qos: int = 1, ttl: float | None = None, message: str = ""
    ) -> SendResult:
        """See Sender."""
        sent: Future[SendResult] = Future()
        offer = partial(self._broker.offer, device, topic, payload, qos=qos, ttl=ttl, message=message)
        # A task for it would wait for a second turn of a loop that is busy with readings.
        self._loop.call_soon_threadsafe(_settle, sent, offer)
        return await asyncio.wrap_future(sent)

    def hears(self, device: str, topic: str) -> bool:
        """See Sender."""
        return self._broker.hears(device, topic)

    def refuse(self, device: str, category: str, reason: str, topic: str) -> None:
        """Record a refusal."""
        self._loop.call_soon_threadsafe(self._refuse, device, category, reason, topic)

    async def publish(self, event: Event) -> None:
        """See Publisher."""
        asyncio.run_coroutine_threadsafe(self._bus.publish(event), self._loop)


def _settle(waiting: "Future[SendResult]", work: Callable[[], SendResult]) -> None:
    if not waiting.set_running_or_notify_cancel():
        return
    try:
        waiting.set_result(work())
    except Exception as error:  # for him who waits
        waiting.set_exception(error)
