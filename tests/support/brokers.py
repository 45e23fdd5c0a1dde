"""An embedded broker with a recording ingest and listener."""

import asyncio
import ssl
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from broker.api import Delivery, Lane, Presence
from broker.embedded.engine import EmbeddedBroker
from broker.embedded.limits import Limits
from broker.embedded.subscription_store import SubscriptionStore
from iotsphere.registry import DeviceRecord
from tests.support.mqtt_raw import RawClient
from tests.support.mqtt_websocket import WebSocketClient
from tests.support.pki import Pki
from tests.support.waiting import until


@dataclass
class MemoryRegistry:
    devices: dict[str, DeviceRecord] = field(default_factory=dict)
    revoked_serials: set[str] = field(default_factory=set)

    def add(self, id: str, organization: str = "default", kind: str = "device", status: str = "active") -> None:
        self.devices[id] = DeviceRecord(id, organization, "water_heater", kind, status)

    def get(self, device: str) -> DeviceRecord | None:
        return self.devices.get(device)

    async def find(self, device: str) -> DeviceRecord | None:
        return self.devices.get(device)

    def revoked(self, serial: str) -> bool:
        return serial in self.revoked_serials


class Counter:
    def __init__(self) -> None:
        self._last = 0

    def next(self) -> int:
        self._last += 1
        return self._last


POISON = b"poison"  # whatever it is tried with, commit() raises


class RecordingIngest:
    """Commits at once, or when the gate of the lane is opened."""

    def __init__(self) -> None:
        self.committed: list[Delivery] = []
        self.given_up: list[tuple[Lane, Delivery, str]] = []
        self.gates: dict[Lane, asyncio.Event] = defaultdict(_open_gate)

    async def commit(self, lane: Lane, batch: Sequence[Delivery]) -> None:
        await self.gates[lane].wait()
        if any(delivery.payload == POISON for delivery in batch):
            raise ValueError("poison")
        self.committed += batch

    async def give_up(self, lane: Lane, delivery: Delivery, error: Exception) -> None:
        self.given_up.append((lane, delivery, str(error)))


def _open_gate() -> asyncio.Event:
    gate = asyncio.Event()
    gate.set()
    return gate


@dataclass
class RecordingListener:
    presence: list[Presence] = field(default_factory=list)
    subscribed: list[str] = field(default_factory=list)
    delivered: list[tuple[str, int, str]] = field(default_factory=list)
    refused: list[tuple[str | None, str, str, str | None]] = field(default_factory=list)

    def on_presence(self, presence: Presence) -> None:
        self.presence.append(presence)

    def on_subscribed(self, device: DeviceRecord, session: int, topic_filter: str) -> None:
        self.subscribed.append(topic_filter)

    def on_delivered(self, device: str, session: int, message: str) -> None:
        self.delivered.append((device, session, message))

    def on_refused(self, device: str | None, category: str, reason: str, topic: str | None, peer: str) -> None:
        self.refused.append((device, category, reason, topic))


@dataclass
class TestBroker:
    __test__ = False
    broker: EmbeddedBroker
    pki: Pki
    registry: MemoryRegistry
    ingest: RecordingIngest
    listener: RecordingListener
    over: type[RawClient] = RawClient
    services: set[str] = field(default_factory=set)

    @property
    def port(self) -> int:
        return self.broker.port

    @property
    def wss_port(self) -> int:
        assert self.broker.wss_port is not None
        return self.broker.wss_port

    def device(self, id: str, **details: str) -> None:
        self.registry.add(id, **details)
        self.pki.issue(id, details.get("organization", "default"), details.get("kind", "device"))

    async def client(self, id: str, **options: Any) -> RawClient:
        """A session of a device or service; a device is registered first, if it is not."""
        if id not in self.registry.devices and id not in self.services:
            self.device(id)
        return await self.over.session(self._door, self.pki.client(id), id, **options)

    async def open(self, id: str) -> RawClient:
        """A connection with that certificate, before CONNECT."""
        return await self.over.open(self._door, self.pki.client(id))

    @property
    def _door(self) -> int:
        return self.wss_port if self.over is WebSocketClient else self.port

    def service(self, id: str, organization: str = "default") -> None:
        self.pki.issue(id, organization, kind="service")
        self.services.add(id)

    async def gone(self, count: int = 1) -> None:
        """So many sessions of devices have ended."""
        await until(lambda: sum(not p.connected for p in self.listener.presence) >= count)


@asynccontextmanager
async def running_broker(
    pki: Pki,
    limits: Limits | None = None,
    subscriptions: SubscriptionStore | None = None,
    *,
    context: ssl.SSLContext | None = None,
    over: type[RawClient] = RawClient,
    origins: tuple[str, ...] = (),
) -> AsyncIterator[TestBroker]:
    registry, ingest, listener = MemoryRegistry(), RecordingIngest(), RecordingListener()
    broker = EmbeddedBroker(
        "127.0.0.1", 0, context or pki.server(), registry, Counter(), limits,
        subscriptions=subscriptions, wss_port=0, wss_origins=origins,
    )  # fmt: skip
    await broker.start(ingest, listener)
    try:
        yield TestBroker(broker, pki, registry, ingest, listener, over)
    finally:
        for gate in ingest.gates.values():
            gate.set()
        await broker.stop()
