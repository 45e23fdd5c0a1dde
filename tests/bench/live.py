"""Live values: from a device's publish to the Socket.IO event in a browser that looks at this device."""

import asyncio
import time
from typing import Any

import socketio

from iotsphere import topics
from tests.bench import wire
from tests.bench.figures import percentile
from tests.bench.stage import VIEWERS, Stage
from tests.support.mqtt_raw import RawClient
from tests.support.tls import device_context

SAMPLES = 200
APART_S = 0.06  # ten rooms in turn: 0.6 s between two messages of one, so each room is quiet
SETTLE_S = 6.0
ARRIVES_S = 5.0


class Pair:
    """A device and somebody who looks at it."""

    def __init__(self, device: str) -> None:
        self.device = device
        self.viewer = socketio.AsyncClient(reconnection=False)
        self.arrived: asyncio.Future[float] | None = None
        self._expected = 0
        self._client: RawClient | None = None
        self.viewer.on("telemetry", self._on_telemetry)

    async def _on_telemetry(self, message: dict[str, Any]) -> None:
        now = time.perf_counter()
        if self.arrived is not None and not self.arrived.done() and any(p[1] == self._expected for p in message["points"]):
            self.arrived.set_result(now)

    async def open(self, the: Stage) -> None:
        """Connect both.

        Raises:
            RuntimeError: the room is not open to us.
        """
        context = device_context(the.certificates, self.device)
        self._client = await RawClient.session(the.mqtt_port, context, self.device, keep_alive=300)
        await self.viewer.connect(the.platform.http, auth={"token": the.token}, transports=["websocket"])
        answer = await self.viewer.call("join", {"room": f"device:{self.device}"})
        if not answer["ok"]:
            raise RuntimeError(f"device:{self.device}: {answer}")

    async def sample(self, payload: bytes, ts: int, packet_id: int) -> float:
        """Milliseconds from the publish to the event."""
        assert self._client is not None
        self.arrived, self._expected = asyncio.get_running_loop().create_future(), ts
        began = time.perf_counter()
        self._client.publish(topics.telemetry(self.device), payload, packet_id)
        return (await asyncio.wait_for(self.arrived, ARRIVES_S) - began) * 1000

    async def close(self) -> None:
        """Disconnect both."""
        await self.viewer.disconnect()
        if self._client is not None:
            await self._client.close()


class Live:
    """The part `live`."""

    def __init__(self, the: Stage) -> None:
        self._the = the

    async def run(self) -> None:
        """Ten devices and ten viewers, one message after the other."""
        figures = self._the.figures
        pairs = [Pair(device) for device in self._the.devices[:VIEWERS]]
        try:
            for pair in pairs:
                await pair.open(self._the)
            await asyncio.sleep(SETTLE_S)
            figures.say(f"live: {SAMPLES} messages into quiet rooms …")
            times = [await self._sample(pairs[number % len(pairs)], number) for number in range(len(pairs) + SAMPLES)]
        finally:
            await asyncio.gather(*(pair.close() for pair in pairs))
        self._report(times[len(pairs) :])

    async def _sample(self, pair: Pair, number: int) -> float:
        await asyncio.sleep(APART_S)
        ts = int(time.time() * 1000)
        return await pair.sample(wire.payload(self._the.readings, ts, number), ts, number % wire.MAX_PACKET_ID + 1)

    def _report(self, times: list[float]) -> None:
        p50, p99 = percentile(times, 0.5), percentile(times, 0.99)
        self._the.figures.table("Publish → Socket.IO event, ms", ("p50", "p99", "max"), [(p50, p99, max(times))])
        self._the.figures.add("live.p50_ms", p50)
        self._the.figures.add("live.p99_ms", p99)
