"""The load generator, a process of its own (see child.py): ``connected``, ``begin``, ``end``, ``done`` with a Load.

Whoever measures the servers takes its snapshots at ``begin`` and ``end``.
"""

import asyncio
import gc
import time
from array import array
from pathlib import Path

import msgspec
import uvloop

from iotsphere.infra.tls import client_context
from tests.bench.child import read_job, tell
from tests.bench.figures import percentile
from tests.bench.publisher import Publisher
from tests.bench.wire import Reading, Stream

CONNECTS_AT_ONCE = 20
DRAIN_S = 10.0
TICK_S = 0.001
HEADROOM = 1.5


class Job(msgspec.Struct, kw_only=True):
    """What to do.

    Attributes:
        certificates: directory with ca.crt and ID.crt, ID.key of each device.
        rate: messages a second over all devices on a fixed schedule; 0 keeps ``window`` messages of each device on their way.
        settle_s: between the last CONNECT and the first message, so that sessions are not new any more.
        warm_s: of load before the measurement; seconds: of measurement.
        most: upper bound of messages a second over all devices: so many are encoded ahead.
    """

    port: int
    certificates: str
    devices: list[str]
    readings: list[Reading]
    first_ms: int
    window: int
    rate: float
    most: float
    settle_s: float
    warm_s: float
    seconds: float


class Load(msgspec.Struct, kw_only=True):
    """What came of it. Latencies in ms from the moment at which a message was due, with a fixed schedule only.

    Attributes:
        sent, acked: messages of the whole run; measured: acknowledged within the measurement.
        cpu_s: of this process within the measurement.
        exhausted: a stream ended before its time, so the figure is too low: encode more.
    """

    sent: int
    acked: int
    measured: int
    seconds: float
    cpu_s: float
    first_ms: int
    per_device: dict[str, int]
    p50_ms: float
    p99_ms: float
    max_ms: float
    exhausted: bool
    failures: list[str]


class Generator:
    """All devices of one job."""

    def __init__(self, job: Job) -> None:
        self._job = job
        each = int((job.rate or job.most) * (job.warm_s + job.seconds) * HEADROOM / len(job.devices)) + job.window + 10
        self._publishers = [Publisher(Stream(device, job.readings, job.first_ms, each), job.window) for device in job.devices]

    async def run(self) -> Load:
        """Connect, load, measure, drain."""
        await self._connect()
        tell("connected")
        await asyncio.sleep(self._job.settle_s)
        gc.collect()
        gc.freeze()
        gc.disable()
        load = asyncio.create_task(self._paced() if self._job.rate else self._saturated(), name="load")
        await asyncio.sleep(self._job.warm_s)
        before, began, cpu = self._acked(), time.perf_counter(), time.process_time()
        tell("begin")
        await asyncio.sleep(self._job.seconds)
        tell("end")
        measured, seconds, cpu_s = self._acked() - before, time.perf_counter() - began, time.process_time() - cpu
        await load
        return self._result(measured, seconds, cpu_s)

    async def _connect(self) -> None:
        directory, gate = Path(self._job.certificates), asyncio.Semaphore(CONNECTS_AT_ONCE)

        async def one(publisher: Publisher) -> None:
            name = publisher.stream.device
            async with gate:
                context = client_context(directory / "ca.crt", directory / f"{name}.crt", directory / f"{name}.key")
                await publisher.open(self._job.port, context)

        await asyncio.gather(*map(one, self._publishers))

    async def _saturated(self) -> None:
        for publisher in self._publishers:
            publisher.begin()
        await asyncio.sleep(self._job.warm_s + self._job.seconds)
        await self._drain()

    async def _paced(self) -> None:
        publishers, count, rate = self._publishers, len(self._publishers), self._job.rate
        began = time.perf_counter()
        for place, publisher in enumerate(publishers):
            publisher.due_at = (began + place / rate, count / rate)
        while (elapsed := time.perf_counter() - began) < self._job.warm_s + self._job.seconds:
            due = int(elapsed * rate) + 1
            for place, publisher in enumerate(publishers):
                if (waiting := (due - place + count - 1) // count - publisher.sent) > 0:
                    publisher.send(waiting)
            await asyncio.sleep(TICK_S)
        await self._drain()

    async def _drain(self) -> None:
        for publisher in self._publishers:
            publisher.end()
        waits = [asyncio.create_task(publisher.drained.wait()) for publisher in self._publishers if publisher.sent]
        await asyncio.wait(waits, timeout=DRAIN_S)
        for publisher in self._publishers:
            publisher.close()
        await asyncio.sleep(0.1)

    def _acked(self) -> int:
        return sum(publisher.acked for publisher in self._publishers)

    def _result(self, measured: int, seconds: float, cpu_s: float) -> Load:
        latencies = array("d")
        for publisher in self._publishers:
            latencies.extend(
                publisher.latencies[int(publisher.acked * self._job.warm_s / (self._job.warm_s + self._job.seconds)) :]
            )
        return Load(
            sent=sum(publisher.sent for publisher in self._publishers),
            acked=self._acked(),
            measured=measured,
            seconds=seconds,
            cpu_s=cpu_s,
            first_ms=self._job.first_ms,
            per_device={publisher.stream.device: publisher.acked for publisher in self._publishers},
            p50_ms=percentile(latencies, 0.5) * 1000,
            p99_ms=percentile(latencies, 0.99) * 1000,
            max_ms=max(latencies, default=0.0) * 1000,
            exhausted=any(publisher.sent == publisher.stream.count for publisher in self._publishers),
            failures=[publisher.failed for publisher in self._publishers if publisher.failed],
        )


async def _run(job: Job) -> Load:
    return await Generator(job).run()


if __name__ == "__main__":
    tell("done", uvloop.run(_run(read_job(Job))))
