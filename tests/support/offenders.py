"""Clients that behave badly, in a process of their own: `python -m tests.support.offenders PORT DIRECTORY`.

A line on standard input names who misbehaves from then on, or nobody ("quiet"); the answer is the same line, once it is so.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import uvloop

from broker.embedded.codec import encode_publish
from iotsphere import topics
from tests.support.mqtt_raw import DISCONNECT, PINGREQ, RawClient, connect, field, packet, subscribe
from tests.support.tls import device_context

BAD, WATCHER = "bad", "bad-watcher"
FLOOD_BYTES = 256 * 1024
FILTERS, FILTERS_A_PACKET = 10_000, 500
FLOOD_S = 0.1


class Offenders:
    """Knows how to misbehave."""

    def __init__(self, port: int, directory: Path) -> None:
        self._port, self._directory = port, directory
        self.all: dict[str, Callable[[], Awaitable[None]]] = {
            "reads nothing": self.reads_nothing,
            "floods with QoS 0": lambda: self.floods(encode_publish(topics.telemetry(BAD), b"{}", 0)),
            "floods with QoS 1": lambda: self.floods(encode_publish(topics.telemetry(BAD), b"{}", 1, 1)),
            "floods with pings": lambda: self.floods(PINGREQ),
            "subscribes ten thousand times": self.subscribes,
            "opens and closes": self.opens_and_closes,
        }

    async def reads_nothing(self) -> None:
        """Subscribes to all, takes nothing, and asks for answers meanwhile."""
        async with self._session(WATCHER) as client:
            client.write(subscribe(1, "#", qos=0))
            await client.packet()
            client.writer.transport.pause_reading()
            while True:
                client.write(PINGREQ * 100)
                await client.writer.drain()
                await asyncio.sleep(0.001)

    async def floods(self, one: bytes) -> None:
        """As fast as it is read, and in a new session ten times a second, whose first thousands are not held up by the rate."""
        data = one * (FLOOD_BYTES // len(one))
        while True:
            async with self._session(BAD) as client:
                reading = asyncio.create_task(_read(client))
                try:
                    async with asyncio.timeout(FLOOD_S):
                        while True:
                            client.write(data)
                            await client.writer.drain()
                except TimeoutError:
                    pass
                finally:
                    reading.cancel()
                    await asyncio.gather(reading, return_exceptions=True)

    async def subscribes(self) -> None:
        """Over and over, to as much as it may."""
        filters = [f"iot/v1/+/telemetry/{number}/#" for number in range(FILTERS)]
        async with self._session(WATCHER) as client:
            while True:
                for kind, qos in ((0x82, b"\x00"), (0xA2, b"")):
                    for start in range(0, FILTERS, FILTERS_A_PACKET):
                        some = filters[start : start + FILTERS_A_PACKET]
                        client.write(packet(kind, b"\x00\x01" + b"".join(field(f) + qos for f in some)))
                        await client.packet()

    async def opens_and_closes(self) -> None:
        """As soon as it is in, it leaves."""
        while True:
            async with self._session(BAD) as client:
                client.write(DISCONNECT)

    @asynccontextmanager
    async def _session(self, name: str) -> AsyncIterator[RawClient]:
        client = await RawClient.open(self._port, device_context(self._directory, name))
        try:
            client.write(connect(name))
            await client.packet()
            yield client
        finally:
            client.vanish()


async def _read(client: RawClient) -> None:
    while await client.reader.read(1 << 16):
        pass


async def _main(port: int, directory: Path) -> None:
    offenders = Offenders(port, directory)
    task: asyncio.Task[None] | None = None
    while line := (await asyncio.to_thread(sys.stdin.readline)).strip():
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        task = None
        if line in offenders.all:
            task = asyncio.create_task(offenders.all[line](), name=line)  # type: ignore[arg-type]
            done, _ = await asyncio.wait({task}, timeout=0.2)
            if done:
                task.result()
        print(line, flush=True)
    if task is not None:
        task.cancel()


if __name__ == "__main__":
    uvloop.run(_main(int(sys.argv[1]), Path(sys.argv[2])))
