"""Ten thousand devices with a certificate each, a process of its own (see child.py).

``made``, then for every word of the parent: ``connect`` → ``connected`` with Connected; ``load`` → ``begin``, ``end``, ``loaded``
with Loaded; ``storm`` → ``stormed`` with Connected; stdin's end → ``done`` with Pinged.
"""

import asyncio
import gc
import ssl
import time
from collections import Counter
from pathlib import Path
from typing import cast

import msgspec
import uvloop

from tests.bench.child import read_job, tell, told
from tests.bench.publisher import CONNACK
from tests.bench.wire import Reading, Stream
from tests.support.mqtt_raw import connect
from tests.support.tls import device_context
from tests.support.waiting import until

CONNECTS_AT_ONCE = 64
DRAIN_S = 10.0
PING_TICK_S = 0.05
PINGREQ, PINGRESP, DISCONNECT = b"\xc0\x00", b"\xd0\x00", b"\xe0\x00"


class Job(msgspec.Struct, kw_only=True):
    """What to do.

    Attributes:
        certificates: directory with ca.crt and ID.crt, ID.key of each device.
        messages: of each device, encoded ahead.
        keep_alive: seconds; each device pings once in that time.
        warm_s, seconds: of the load before and within its measurement.
    """

    port: int
    certificates: str
    devices: list[str]
    readings: list[Reading]
    first_ms: int
    messages: int
    keep_alive: int
    warm_s: float
    seconds: float


class Connected(msgspec.Struct):
    """All of them are connected.

    Attributes:
        seconds: from the first attempt to the last CONNACK.
        refusals: attempts that were not let in, by reason.
    """

    seconds: float
    refusals: dict[str, int]


class Loaded(msgspec.Struct):
    """What came of the load."""

    sent: int
    acked: int
    measured: int
    seconds: float
    cpu_s: float
    exhausted: bool


class Pinged(msgspec.Struct):
    """Keep-alive of the whole run; answers of those that were cut meanwhile are missing."""

    pings: int
    answers: int
    lost: int


class Link(asyncio.Protocol):
    """One connection of a device; a device that connects again has another."""

    def __init__(self, client: "Client") -> None:
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.transport: asyncio.Transport | None = None
        self._client = client

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.transport.write(connect(self._client.stream.device, keep_alive=self._client.keep_alive))

    def connection_lost(self, error: Exception | None) -> None:
        self.transport = None
        if self.ready.done():
            self._client.left(self)
        else:
            self.ready.set_exception(error or ConnectionResetError("cut off before the CONNACK"))

    def data_received(self, data: bytes) -> None:
        if self.ready.done():
            self._client.received(data)
        elif data == CONNACK:
            self.ready.set_result(None)
        else:
            self.ready.set_exception(ConnectionRefusedError(f"no CONNACK but {data!r}"))

    def abandon(self) -> None:
        """End without a word, and forget why it ended."""
        if self.ready.done() and not self.ready.cancelled():
            self.ready.exception()
        if self.transport is not None:
            self.transport.abort()


class Client:
    """One device: at most one message on its way.

    Attributes:
        sent, acked: messages; lost: connections that ended by themselves.
    """

    def __init__(self, stream: Stream, context: ssl.SSLContext, keep_alive: int) -> None:
        self.stream, self.keep_alive = stream, keep_alive
        self.sent = self.acked = self.pings = self.answers = self.lost = 0
        self.loading = False
        self._context = context
        self._link: Link | None = None

    async def open(self, port: int, refusals: Counter[str]) -> None:
        """Connect, at once again whenever it is not let in, until the CONNACK is there."""
        loop = asyncio.get_running_loop()
        while True:
            link = Link(self)
            try:
                await loop.create_connection(lambda: link, "127.0.0.1", port, ssl=self._context, server_hostname="localhost")  # noqa: B023 - called within
                await link.ready
            except OSError as error:
                refusals[f"{type(error).__name__}: {error}"] += 1
                link.abandon()
                continue
            self._link = link
            return

    def left(self, link: Link) -> None:
        """A connection has ended."""
        if link is self._link:
            self._link = None
            self.lost += 1

    def received(self, data: bytes) -> None:
        """A PUBACK, a PINGRESP, or one and the other."""
        if PINGRESP in (data[:2], data[-2:]) and len(data) in (2, 6):
            self.answers += 1
            data = data[2:] if data[:2] == PINGRESP else data[:-2]
        if data:
            if data != self.stream.acknowledgements(self.acked, 1):
                raise ConnectionError(f"{self.stream.device}: {data!r} is not in turn")
            self.acked += 1
            if self.loading:
                self.send()

    def send(self) -> None:
        """Send the next message."""
        if self.sent < self.stream.count and self._write(self.stream.messages(self.sent, 1)):
            self.sent += 1

    def ping(self) -> None:
        """Say that we are there."""
        self.pings += self._write(PINGREQ)

    def _write(self, data: bytes | memoryview) -> bool:
        if self._link is None or self._link.transport is None:
            return False
        self._link.transport.write(data)
        return True

    def cut(self) -> None:
        """End without a word."""
        link, self._link = self._link, None
        if link is not None:
            link.abandon()

    def close(self) -> None:
        """Say goodbye."""
        link, self._link = self._link, None
        if link is not None and link.transport is not None:
            link.transport.write(DISCONNECT)
            link.transport.close()


class Clients:
    """All of them."""

    def __init__(self, job: Job) -> None:
        self._job = job
        directory = Path(job.certificates)
        self._clients = [
            Client(
                Stream(device, job.readings, job.first_ms, job.messages),
                device_context(directory, device),
                job.keep_alive,
            )
            for device in job.devices
        ]

    async def run(self) -> Pinged:
        """Do what the parent says."""
        gc.collect()
        gc.freeze()
        tell("made")
        pinging = asyncio.create_task(self._ping(), name="pings")
        words = {"connect": self._arrive, "load": self._load, "storm": self._storm}
        async for word in told():
            await words[word]()
        pinging.cancel()
        pinged = Pinged(self._sum("pings"), self._sum("answers"), self._sum("lost"))
        for client in self._clients:
            client.close()
        await asyncio.sleep(0.5)
        return pinged

    async def _connect(self, at_once: int) -> Connected:
        gate, began, refusals = asyncio.Semaphore(at_once), time.perf_counter(), Counter[str]()

        async def one(client: Client) -> None:
            async with gate:
                await client.open(self._job.port, refusals)

        await asyncio.gather(*map(one, self._clients))
        return Connected(time.perf_counter() - began, dict(refusals))

    async def _arrive(self) -> None:
        tell("connected", await self._connect(CONNECTS_AT_ONCE))
        gc.collect()
        gc.freeze()

    async def _storm(self) -> None:
        for client in self._clients:
            client.cut()
        tell("stormed", await self._connect(len(self._clients)))

    async def _ping(self) -> None:
        """Evenly over all, so that each has its turn once in its keep-alive."""
        clients, began, turn = self._clients, time.perf_counter(), 0
        while True:
            await asyncio.sleep(PING_TICK_S)
            due = int((time.perf_counter() - began) * len(clients) / self._job.keep_alive)
            for number in range(turn, due):
                clients[number % len(clients)].ping()
            turn = due

    async def _load(self) -> None:
        gc.disable()
        for client in self._clients:
            client.loading = True
            client.send()
        await asyncio.sleep(self._job.warm_s)
        acked, began, cpu = self._sum("acked"), time.perf_counter(), time.process_time()
        tell("begin")
        await asyncio.sleep(self._job.seconds)
        tell("end")
        measured, seconds, cpu_s = self._sum("acked") - acked, time.perf_counter() - began, time.process_time() - cpu
        for client in self._clients:
            client.loading = False
        await until(lambda: self._sum("acked") == self._sum("sent"), DRAIN_S)
        gc.enable()
        exhausted = any(client.sent == client.stream.count for client in self._clients)
        tell("loaded", Loaded(self._sum("sent"), self._sum("acked"), measured, seconds, cpu_s, exhausted))

    def _sum(self, name: str) -> int:
        return sum(getattr(client, name) for client in self._clients)


async def _run(job: Job) -> Pinged:
    return await Clients(job).run()


if __name__ == "__main__":
    tell("done", uvloop.run(_run(read_job(Job))))
