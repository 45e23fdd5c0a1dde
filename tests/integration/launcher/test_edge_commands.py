"""Command delivery in a loop of its own; broker, bus and refusals are of this one."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from commands.metrics import CommandMetrics
from commands.service import CommandService
from iotsphere import topics
from iotsphere.bus import MemoryBus
from iotsphere.delivery import SendResult, Sent
from iotsphere.events import DEVICE_COMMAND
from iotsphere.infra.metrics import SignalMetrics
from iotsphere.infra.postgres import make_pool
from iotsphere.infra.valkey_signals import ValkeySignals
from launcher.edge_commands import CommandsBeside
from tests.integration.commands.parts import KILN
from tests.support.deliveries import add_devices, delivery, record
from tests.support.waiting import until

pytestmark = pytest.mark.integration
SESSION = 7
HOME = threading.main_thread()


class Broker:
    """Stands for the engine: what it was offered, and in which thread."""

    def __init__(self) -> None:
        self.offered: list[tuple[threading.Thread, dict[str, Any], str]] = []
        self.fails = False

    def offer(self, device: str, topic: str, payload: bytes, *, message: str = "", **_: Any) -> SendResult:
        if self.fails:
            raise LookupError("a defect")
        self.offered.append((threading.current_thread(), msgspec.json.decode(payload), message))
        return SendResult(Sent.QUEUED, SESSION)


class Edge:
    """What a test looks at."""

    def __init__(self, dsn: str, redis_url: str) -> None:
        self.broker, self.bus = Broker(), MemoryBus()
        self.refused: list[tuple[threading.Thread, str]] = []
        self.told: list[tuple[threading.Thread, str]] = []
        self.bus.subscribe(DEVICE_COMMAND, self._hear)
        self.commands = CommandsBeside(
            dsn,
            redis_url,
            self.broker,
            self._refuse,
            self.bus,
            CommandMetrics(),
            SignalMetrics(),  # type: ignore[arg-type]
        )

    async def _hear(self, event: Any) -> None:
        self.told.append((threading.current_thread(), event.status))

    def _refuse(self, device: str, category: str, reason: str, topic: str) -> None:
        self.refused.append((threading.current_thread(), reason))

    async def answer(self, command: str, status: str = "succeeded") -> None:
        await self.commands.commit([delivery(topics.command_response("d1", command), {"status": status})])


@asynccontextmanager
async def running(dsn: str, redis_url: str) -> AsyncIterator[tuple[Edge, CommandService]]:
    """An edge's commands, and those of a cloud."""
    edge, signals = Edge(dsn, redis_url), ValkeySignals(redis_url)
    await edge.commands.start()
    async with await make_pool(dsn, name="test") as pool:
        await add_devices(pool, "d1")
        service = CommandService(pool, signals, MemoryBus(), {"kiln": KILN})
        await signals.start()
        yield edge, service
        await signals.stop()
    await edge.commands.stop()
    assert "commands" not in {thread.name for thread in threading.enumerate()}


async def give(service: CommandService, **options: Any) -> Any:
    return await service.create("d1", "kiln", "default", "fire", {"to": 900}, actor="ann", **options)


async def test_a_command_and_its_answer_go_over_and_back(migrated_dsn: str, valkey_url: str) -> None:
    async with running(migrated_dsn, valkey_url) as (edge, service):
        edge.commands.on_subscribed(record("d1"), SESSION, topics.every_topic_filter("d1"))
        waiting = asyncio.create_task(give(service, wait_s=10.0))
        await until(lambda: edge.broker.offered)
        thread, request, message = edge.broker.offered[0]
        assert thread is HOME
        edge.commands.on_delivered("d1", SESSION, message)
        await edge.answer(request["id"])
        view = await waiting
        assert [step.status for step in view.transitions] == ["queued", "sent", "delivered", "succeeded"]
        await until(lambda: edge.told)
        await edge.answer(request["id"], "failed")
        await until(lambda: edge.refused)
        assert {thread for thread, _ in (*edge.told, *edge.refused)} == {HOME}
        assert edge.commands.healthy()


async def test_what_is_none_of_theirs_does_not_go_over(migrated_dsn: str, valkey_url: str) -> None:
    async with running(migrated_dsn, valkey_url) as (edge, service):
        edge.commands.on_subscribed(record("d1"), SESSION, "iot/v1/d1/shadow/#")
        edge.commands.on_delivered("d1", SESSION, "shadow:1")
        assert (await give(service, wait_s=0.3)).status == "queued"
        assert edge.broker.offered == []


async def test_a_broker_that_fails_stops_nothing(migrated_dsn: str, valkey_url: str) -> None:
    async with running(migrated_dsn, valkey_url) as (edge, service):
        edge.broker.fails = True
        edge.commands.on_subscribed(record("d1"), SESSION, topics.every_topic_filter("d1"))
        await give(service, wait_s=0.2)
        edge.broker.fails = False
        edge.commands.on_subscribed(record("d1"), SESSION + 1, topics.every_topic_filter("d1"))
        await until(lambda: edge.broker.offered)
