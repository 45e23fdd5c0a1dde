"""The event bus on Valkey (or Redis) Streams, through FastStream."""

import asyncio
import itertools
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
import structlog
from faststream.redis import RedisBroker, StreamSub
from prometheus_client import CollectorRegistry
from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from iotsphere.bus import Handler
from iotsphere.errors import StoreUnavailable
from iotsphere.events import DEVICE_TELEMETRY, TOPIC_OF, Event, decode, encode
from iotsphere.infra.metrics import BusMetrics
from iotsphere.infra.outbox import Outbox
from iotsphere.infra.postgres import Patience
from iotsphere.pause import set_within

log = structlog.get_logger()

AWAY = (RedisError, OSError, TimeoutError, StoreUnavailable)
CONTENT_TYPE = {"content-type": "application/msgpack"}  # without one, FastStream tries to read the bytes as JSON first
TELEMETRY_KEPT, OTHERS_KEPT = 1_000, 10_000  # entries a stream keeps, approximately
OUTBOX_EVENTS, OUTBOX_BYTES = 10_000, 8 << 20
SEND_AT_ONCE = 100
READ_AT_ONCE = 100
BLOCK_MS = 2_000  # an XREAD returns at once when something comes; this only bounds an idle one
CHECK_SECONDS = 0.5
STABLE_CHECKS = 4  # so many good checks before a trouble counts as over
ANSWER_SECONDS = 2.0
START_SECONDS = 3.0


class ValkeyBus:
    """Every subscribing process gets every event that is published after its start (no consumer groups), in order.

    Each topic is read from a concrete entry id, not from ``$``: between two reads from ``$`` events would be missed.
    FastStream tells nobody but its log when a subscriber has stopped, and waits five seconds after each failed read.
    So its log is listened to, its tasks and the server are checked twice a second, and at any trouble all subscribers
    are built anew, from where they had read to.

    Args:
        url: ``redis://…``.
        name: of this process, shown in CLIENT LIST.
        registry: for the metrics.
    """

    def __init__(self, url: str, *, name: str, registry: CollectorRegistry | None = None) -> None:
        self._url = url
        self._name = f"iotsphere-{name}-bus"
        self._metrics = BusMetrics(registry)
        self._handlers: dict[str, list[Handler]] = defaultdict(list)
        self._positions: dict[str, str] = {}
        self._outbox = Outbox(events=OUTBOX_EVENTS, size=OUTBOX_BYTES)
        self._filled = asyncio.Event()
        self._connected = asyncio.Event()
        self._trouble = asyncio.Event()
        self._refused = False
        self._broker: RedisBroker | None = None
        self._tasks: list[asyncio.Task[None]] = []

    def subscribe(self, topic: str, handler: Handler) -> None:
        """Add a handler. Before start() only."""
        self._handlers[topic].append(handler)

    def healthy(self) -> bool:
        """Whether events flow now."""
        return self._connected.is_set() and not self._trouble.is_set() and not self._refused

    async def start(self) -> None:
        """Connect. When the server is away, returns after a moment and connects once it is there."""
        self._tasks = [
            asyncio.create_task(self._keep_connected(), name=f"{self._name}-watch"),
            asyncio.create_task(self._send_all(), name=f"{self._name}-send"),
        ]
        try:
            await asyncio.wait_for(self._connected.wait(), START_SECONDS)
        except TimeoutError:
            log.warning("the event bus is not connected yet", bus=self._name)

    async def stop(self) -> None:
        """Send what waits, for a second at most, and disconnect."""
        if self.healthy():
            await self._flush(1.0)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _flush(self, seconds: float) -> None:
        deadline = asyncio.get_running_loop().time() + seconds
        while self._filled.is_set() and asyncio.get_running_loop().time() < deadline:  # noqa: ASYNC110 - bounded, at the end only
            await asyncio.sleep(0.01)

    # ── publishing ─────────────────────────────────────────────────────────────────────────────────────────────────

    async def publish(self, event: Event) -> None:
        """Queue the event. Returns at once; what does not fit is counted as lost, the oldest first."""
        for topic in self._outbox.put(TOPIC_OF[type(event)], encode(event)):
            self._metrics.lost[topic].inc()
        self._filled.set()

    async def _send_all(self) -> None:
        while True:
            await self._filled.wait()
            await self._connected.wait()
            batch = self._outbox.take(SEND_AT_ONCE)
            sent = await self._try_to_send(batch)
            self._count(self._metrics.published if sent else self._metrics.lost, batch)
            if not self._outbox:
                self._filled.clear()

    async def _try_to_send(self, batch: list[tuple[str, bytes]]) -> bool:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await self._send(batch)
        except ResponseError as error:  # the server is there and says no: its memory is full, or a key is of another kind
            if not self._refused:
                log.error("the server refuses events", bus=self._name, error=str(error))
            self._refused = True
            return False
        except AWAY:
            self._trouble.set()  # the watch looks, logs and waits
            await asyncio.sleep(0.05)
            return False
        except Exception:  # a defect of ours must not silence the bus
            log.exception("publishing failed", bus=self._name)
            return False
        self._refused = False
        return True

    async def _send(self, batch: list[tuple[str, bytes]]) -> None:
        broker = self._broker
        if broker is None:
            raise StoreUnavailable("not connected")
        client = await broker.connect()
        async with client.pipeline(transaction=False) as pipeline:
            for topic, data in batch:
                kept = TELEMETRY_KEPT if topic == DEVICE_TELEMETRY else OTHERS_KEPT
                await broker.publish(data, stream=topic, maxlen=kept, headers=CONTENT_TYPE, pipeline=pipeline)
            await pipeline.execute()

    @staticmethod
    def _count(counters: Mapping[str, Any], batch: list[tuple[str, bytes]]) -> None:
        for topic, _ in batch:
            counters[topic].inc()

    # ── subscribing ────────────────────────────────────────────────────────────────────────────────────────────────

    async def _keep_connected(self) -> None:
        patience = Patience(self._name)
        while True:
            try:
                await self._connect_and_watch(patience)
            except AWAY as error:
                await patience.lost(error)
            except Exception as error:  # whatever FastStream does, the watch goes on
                log.exception("the event bus failed", bus=self._name)
                await patience.lost(error)
            self._metrics.restarts.inc()

    async def _connect_and_watch(self, patience: Patience) -> None:
        async with Redis.from_url(
            self._url, client_name=self._name, socket_timeout=ANSWER_SECONDS, socket_connect_timeout=ANSWER_SECONDS, retry=None
        ) as client:
            await self._find_positions(client)
            self._trouble.clear()
            broker = self._make_broker()
            try:
                await broker.start()
                self._broker = broker
                self._connected.set()
                self._metrics.healthy.set(1)
                await self._watch(client, broker, patience)
            finally:
                self._broker = None
                self._connected.clear()
                self._metrics.healthy.set(0)
                self._remember_positions(broker)
                await broker.stop()

    async def _find_positions(self, client: Redis) -> None:
        for topic in self._handlers:
            if topic not in self._positions:
                newest: Any = await client.xrevrange(topic, count=1)
                self._positions[topic] = newest[0][0].decode() if newest else "0-0"

    def _remember_positions(self, broker: RedisBroker) -> None:
        for subscriber in broker.subscribers:
            self._positions[subscriber.stream_sub.name] = subscriber.last_id  # type: ignore[attr-defined]

    def _make_broker(self) -> RedisBroker:
        broker = RedisBroker(
            self._url,
            logger=_Ears(self._trouble),
            apply_types=False,
            graceful_timeout=ANSWER_SECONDS,
            client_name=self._name,
            max_connections=len(self._handlers) + 4,
            socket_connect_timeout=ANSWER_SECONDS,
        )
        for topic in self._handlers:
            stream = StreamSub(topic, last_id=self._positions[topic], max_records=READ_AT_ONCE, polling_interval=BLOCK_MS)
            broker.subscriber(stream=stream)(self._reader(topic))
        return broker

    async def _watch(self, client: Redis, broker: RedisBroker, patience: Patience) -> None:
        """Returns never.

        Raises:
            StoreUnavailable: a subscriber has stopped, or FastStream or the sender complained.
            RedisError, OSError, TimeoutError: the server does not answer.
        """
        for check in itertools.count(1):
            if not await set_within(self._trouble, CHECK_SECONDS):
                await client.ping()
            if check == STABLE_CHECKS:
                patience.back()
            if self._trouble.is_set():
                raise StoreUnavailable("reading or writing a stream failed")
            for subscriber in broker.subscribers:
                if not subscriber.running or any(task.done() for task in subscriber.tasks):  # type: ignore[attr-defined]
                    raise StoreUnavailable("a subscriber has stopped")

    def _reader(self, topic: str) -> Callable[[bytes], Awaitable[None]]:
        async def read(data: bytes) -> None:
            self._metrics.received[topic].inc()
            try:
                event = decode(data)
            except msgspec.DecodeError as error:
                self._metrics.failed[topic].inc()
                log.warning("an event is none of ours", topic=topic, error=str(error))
                return
            for handler in self._handlers[topic]:
                try:
                    await handler(event)
                except Exception:  # one handler's bad day must neither stop the topic nor the other handlers
                    self._metrics.failed[topic].inc()
                    log.exception("a handler of the event bus failed", topic=topic)

        return read


class _Ears:
    """FastStream's log: an error in it is the only word it gives of a subscriber that cannot read."""

    def __init__(self, trouble: asyncio.Event) -> None:
        self._trouble = trouble

    def log(self, level: int, message: Any, /, *, exc_info: Any = None, extra: Mapping[str, Any] | None = None) -> None:
        if level >= logging.ERROR:
            log.debug("event bus", message=str(message), error=str(exc_info))
            self._trouble.set()
