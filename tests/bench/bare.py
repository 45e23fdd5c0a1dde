"""The yardstick of commands: a request to a device and its response through the broker alone, without store and HTTP."""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

from broker.api import Delivery, Lane
from broker.embedded.engine import EmbeddedBroker
from iotsphere import topics
from iotsphere.delivery import Sent
from tests.bench.child import child
from tests.support.brokers import Counter, MemoryRegistry, RecordingListener
from tests.support.pki import Pki

CALLS, WARM = 300, 30
ANSWERS_S = 5.0
REQUEST = b'{"id":"c","name":"n","params":{},"issued_at":0,"expires_at":0}'


class Arrivals:
    """Takes everything at once and tells of responses."""

    def __init__(self) -> None:
        self.response: asyncio.Future[None] | None = None

    async def commit(self, lane: Lane, batch: Sequence[Delivery]) -> None:
        """Nothing is stored."""
        if lane is Lane.COMMAND and self.response is not None and not self.response.done():
            self.response.set_result(None)

    async def give_up(self, lane: Lane, delivery: Delivery, error: Exception) -> None:
        """Nothing fails here."""


async def round_trips(directory: Path, devices: Sequence[str]) -> list[float]:
    """Milliseconds of each call, one after the other over all devices."""
    pki, registry, arrivals = Pki.create(directory), MemoryRegistry(), Arrivals()
    for device in devices:
        registry.add(device)
        pki.issue(device)
    broker = EmbeddedBroker("127.0.0.1", 0, pki.server(), registry, Counter())
    await broker.start(arrivals, RecordingListener())
    job = {"port": broker.port, "certificates": str(directory), "devices": list(devices)}
    try:
        async with child("tests.bench.responders", job) as responding:
            await responding.at("connected")
            times = [await _call(broker, arrivals, devices[number % len(devices)]) for number in range(WARM + CALLS)]
            await responding.finish()
        return times[WARM:]
    finally:
        await broker.stop()


async def _call(broker: EmbeddedBroker, arrivals: Arrivals, device: str) -> float:
    arrivals.response = asyncio.get_running_loop().create_future()
    began = time.perf_counter()
    result = await broker.send(device, topics.command_request(device, "c"), REQUEST)
    assert result.sent is Sent.QUEUED, result
    await asyncio.wait_for(arrivals.response, ANSWERS_S)
    return (time.perf_counter() - began) * 1000
