"""Signals between processes by Valkey (or Redis) publish and subscribe."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import structlog
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.client import PubSub
from redis.exceptions import RedisError

from iotsphere.infra.metrics import SignalMetrics
from iotsphere.infra.postgres import Patience
from iotsphere.signals import SignalHandler

log = structlog.get_logger()

AWAY = (RedisError, OSError, TimeoutError)
SEND_SECONDS = 0.5
IDLE_SECONDS = 5.0  # after so long without a message the connection is tried with a ping
START_SECONDS = 3.0
CONNECTIONS = 16


class ValkeySignals:
    """Hears what is sent while it is connected; reconnects by itself.

    Args:
        url: ``redis://…``.
        metrics: shared by those of one process; a fresh set when none is given.
    """

    def __init__(self, url: str, *, metrics: SignalMetrics | None = None) -> None:
        self._url = url
        self._metrics = metrics or SignalMetrics()
        self._handlers: dict[str, list[SignalHandler]] = defaultdict(list)
        self._client = self._make_client()
        self._listening = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def _make_client(self) -> Redis:
        # Blocking: with a plain pool the 17th of a burst of nudges would be lost at once.
        pool = BlockingConnectionPool.from_url(
            self._url,
            client_name="iotsphere-signals",
            socket_connect_timeout=SEND_SECONDS,
            max_connections=CONNECTIONS,
            timeout=SEND_SECONDS,
            retry=None,
        )
        return Redis.from_pool(pool)

    def on(self, channel: str, handler: SignalHandler) -> None:
        """Add a handler. Before start() only."""
        self._handlers[channel].append(handler)

    def healthy(self) -> bool:
        """Whether nudges are heard now."""
        return self._listening.is_set() or not self._handlers

    async def start(self) -> None:
        """Begin to hear. When the server is away, returns after a moment and listens once it is there."""
        if self._handlers:
            self._task = asyncio.create_task(self._keep_listening(), name="signals")
            try:
                await asyncio.wait_for(self._listening.wait(), START_SECONDS)
            except TimeoutError:
                log.warning("signals are not connected yet")

    async def stop(self) -> None:
        """Hear nothing more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._client.aclose()

    async def send(self, channel: str, subject: str) -> None:
        """Nudge. What cannot be sent within SEND_SECONDS is counted as lost."""
        try:
            async with asyncio.timeout(SEND_SECONDS):
                await self._client.publish(channel, subject)
        except AWAY:
            self._metrics.lost.inc()
        else:
            self._metrics.sent.inc()

    async def _keep_listening(self) -> None:
        patience = Patience("signals")
        while True:
            try:
                async with self._make_client() as client, client.pubsub() as listener:
                    await listener.subscribe(*self._handlers)
                    await self._listen(listener, patience)
            except AWAY as error:
                await patience.lost(error)
            finally:
                self._listening.clear()

    async def _listen(self, listener: PubSub, patience: Patience) -> None:
        """Returns never.

        Raises:
            RedisError, OSError, TimeoutError: the server does not answer.
        """
        silent = 0
        while True:
            message = await listener.get_message(timeout=IDLE_SECONDS if self._listening.is_set() else SEND_SECONDS)
            if message is None:
                silent += 1
                if silent > 2:
                    raise TimeoutError("no answer to a ping")
                await listener.ping()
                continue
            silent = 0
            if message["type"] == "message":
                self._deliver(message)
            self._listening.set()
            patience.back()

    def _deliver(self, message: dict[str, Any]) -> None:
        self._metrics.heard.inc()
        for handler in self._handlers[message["channel"].decode()]:
            try:
                handler(message["data"].decode())
            except Exception:  # one bad nudge must not make us deaf
                self._metrics.failed.inc()
                log.exception("a handler of a signal failed")


async def nudge(url: str, channel: str, subjects: Iterable[str]) -> None:
    """Signals of a program that runs for a moment and hears none itself."""
    signals = ValkeySignals(url)
    try:
        for subject in subjects:
            await signals.send(channel, subject)
    finally:
        await signals.stop()
