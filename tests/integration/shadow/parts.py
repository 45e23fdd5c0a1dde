"""The parts of the shadow as the two processes hold them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from iotsphere import topics
from iotsphere.bus import MemoryBus
from iotsphere.events import DEVICE_UPDATE, ShadowChanged
from iotsphere.signals import EDGE_WAKE, MemorySignals
from iotsphere.topics import Dialect
from shadow.announcer import ShadowAnnouncer
from shadow.cache import ShadowCache
from shadow.expectation import Expectation
from shadow.lane import ShadowLane
from shadow.metrics import ShadowMetrics
from shadow.service import ShadowService, Target
from shadow.view import ShadowView
from tests.support.deliveries import delivery
from tests.support.recording_sender import RecordingSender


@dataclass
class Edge:
    lane: ShadowLane
    announcer: ShadowAnnouncer
    cache: ShadowCache
    sender: RecordingSender
    events: list[Any]
    refused: list[tuple[str, str, str, str]]

    async def request(
        self, verb: str, body: Any = b"", device: str = "d1", name: str | None = None, dialect: Dialect = Dialect.OWN
    ) -> None:
        await self.lane.commit([delivery(topics.shadow(device, verb, name, dialect), body)])


@dataclass
class Cloud:
    service: ShadowService
    cache: ShadowCache
    woken: list[str] = field(default_factory=list)
    events: list[Any] = field(default_factory=list)

    async def desire(
        self,
        desired: dict[str, Any],
        device: str = "d1",
        seen: int | None = None,
        *,
        name: str = "",
        replace: bool = False,
        expected: Expectation | None = None,
    ) -> ShadowView:
        return await self.service.update_desired(
            target(device, name), desired, actor="ann", expected=expected or Expectation(seen=seen), replace=replace
        )


def target(device: str = "d1", name: str = "") -> Target:
    return Target(device, "", "default", False, name)


def listening_bus(events: list[Any]) -> MemoryBus:
    async def keep(event: Any) -> None:
        assert isinstance(event, ShadowChanged)
        events.append(event)

    bus = MemoryBus()
    bus.subscribe(DEVICE_UPDATE, keep)
    return bus


@asynccontextmanager
async def make_edge(pool: Any, redis: Any, *, announce: bool = True, metrics: ShadowMetrics | None = None) -> AsyncIterator[Edge]:
    sender, events, refused = RecordingSender(), [], []  # type: ignore[var-annotated]
    sender.connect("d1")
    cache = ShadowCache(redis, pool)
    announcer = ShadowAnnouncer(pool, sender)
    lane = ShadowLane(
        pool, cache, sender, listening_bus(events), announcer, {}, lambda *refusal: refused.append(refusal), metrics
    )
    cache.start()
    lane.start()
    if announce:
        announcer.start()
    yield Edge(lane, announcer, cache, sender, events, refused)
    await lane.stop()
    await announcer.stop()
    await cache.stop()


@asynccontextmanager
async def make_cloud(pool: Any, redis: Any) -> AsyncIterator[Cloud]:
    cache, signals, events, woken = ShadowCache(redis, pool), MemorySignals(), [], []  # type: ignore[var-annotated]
    signals.on(EDGE_WAKE, woken.append)
    cache.start()
    yield Cloud(ShadowService(pool, cache, listening_bus(events), signals, {}), cache, woken, events)
    await cache.stop()
