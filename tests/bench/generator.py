"""The load generator, a process of its own (see child.py): ``connected``, ``begin``, ``end``, ``done`` with a Load.

Whoever measures the servers takes its snapshots at ``begin`` and ``end``.
"""

import asyncio
import gc
import itertools
import ssl
import time
from array import array
from collections import deque
from pathlib import Path

import msgspec
import uvloop

from tests.bench.child import read_job, tell, told_to_end
from tests.bench.figures import percentile
from tests.bench.publisher import Publisher
from tests.bench.shared_counter import SharedCounter
from tests.bench.wire import Reading, Stream
from tests.support.tls import device_context

CONNECTS_AT_ONCE = 20
DRAIN_S = 10.0
TICK_S, GATE_TICK_S = 0.001, 0.005
HEADROOM = 1.5
LEAST_WAITING = 2_000  # messages


class Job(msgspec.Struct, kw_only=True):
    """What to do.

    Attributes:
        certificates: directory with ca.crt and ID.crt, ID.key of each device; empty: plain TCP.
        rate: messages a second over all devices on a fixed schedule, each sent for itself; 0 keeps ``window`` messages of each
            device on their way.
        stored: path of a SharedCounter of stored readings: with it, as many messages are sent as keep about a second's worth
            acknowledged and not stored.
        settle_s: between the last CONNECT and the first message, so that sessions are not new any more.
        warm_s: of load before the measurement; seconds: of measurement.
        until_told: the measurement ends when the parent says so, after ``seconds`` at the latest.
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
    until_told: bool = False
    stored: str = ""


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
        self._ending = asyncio.Event()
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
        load = asyncio.create_task(self._load(), name="load")
        await asyncio.sleep(self._job.warm_s)
        sent, acked, began, cpu = self._sent(), self._acked(), time.perf_counter(), time.process_time()
        tell("begin")
        await self._measured()
        tell("end")
        measured, seconds, cpu_s = self._acked() - acked, time.perf_counter() - began, time.process_time() - cpu
        due = [slice(first, last) for first, last in zip(sent, self._sent(), strict=True)]
        self._ending.set()
        await load
        return self._result(measured, seconds, cpu_s, due)

    async def _measured(self) -> None:
        if not self._job.until_told:
            await asyncio.sleep(self._job.seconds)
            return
        end = asyncio.create_task(told_to_end(), name="told")
        await asyncio.wait({end}, timeout=self._job.seconds)
        end.cancel()

    async def _connect(self) -> None:
        gate = asyncio.Semaphore(CONNECTS_AT_ONCE)

        async def one(publisher: Publisher) -> None:
            async with gate:
                await publisher.open(self._job.port, self._context(publisher.stream.device))

        await asyncio.gather(*map(one, self._publishers))

    def _context(self, device: str) -> ssl.SSLContext | None:
        if not self._job.certificates:
            return None
        return device_context(Path(self._job.certificates), device)

    async def _load(self) -> None:
        if self._job.rate:
            await self._paced()
        elif self._job.stored:
            await self._gated(SharedCounter(Path(self._job.stored)))
        else:
            for publisher in self._publishers:
                publisher.begin()
            await self._ending.wait()
        await self._drain()

    async def _paced(self) -> None:
        publishers, count, rate, sent = self._publishers, len(self._publishers), self._job.rate, 0
        began = time.perf_counter()
        for place, publisher in enumerate(publishers):
            publisher.due_at = (began + place / rate, count / rate)
        while not self._ending.is_set():
            due = int((time.perf_counter() - began) * rate) + 1
            for number in range(sent, due):
                publishers[number % count].send(1)
            sent = due
            await asyncio.sleep(TICK_S)

    async def _gated(self, stored: SharedCounter) -> None:
        """In slices as large as a full window's, which is less work for a broker than message by message."""
        points, turn, sent = len(self._job.readings), itertools.cycle(self._publishers), 0
        behind = deque([stored.value // points] * round(1 / GATE_TICK_S), maxlen=round(1 / GATE_TICK_S))  # a second of it
        while not self._ending.is_set():
            now = stored.value // points
            room = now + max(now - behind[0], LEAST_WAITING) - sent
            behind.append(now)
            while room > 0:
                count = min(room, self._job.window)
                next(turn).send(count)
                sent, room = sent + count, room - count
            await asyncio.sleep(GATE_TICK_S)

    async def _drain(self) -> None:
        for publisher in self._publishers:
            publisher.end()
        waits = [asyncio.create_task(publisher.drained.wait()) for publisher in self._publishers if publisher.sent]
        await asyncio.wait(waits, timeout=DRAIN_S)
        for publisher in self._publishers:
            publisher.close()
        await asyncio.sleep(0.1)

    def _sent(self) -> list[int]:
        return [publisher.sent for publisher in self._publishers]

    def _acked(self) -> int:
        return sum(publisher.acked for publisher in self._publishers)

    def _result(self, measured: int, seconds: float, cpu_s: float, due: list[slice]) -> Load:
        latencies = array("d")
        for publisher, part in zip(self._publishers, due, strict=True):
            latencies.extend(publisher.latencies[part])
        return Load(
            sent=sum(self._sent()),
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
