"""Devices that use their shadows, a process of its own (see child.py).

Told ``update`` or ``get`` it asks for SECONDS with ``window`` requests of each device on their way, and tells ``updated`` or
``got`` with counts; at the end ``done`` with the moment at which each delta came.
"""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import uvloop

from broker.embedded.codec import encode_ack, encode_publish
from iotsphere import topics
from tests.bench.child import read_job, tell, told
from tests.bench.responders import CONNECTS_AT_ONCE, PUBACK, Responder
from tests.support.mqtt_raw import subscribe
from tests.support.tls import device_context

WARM_S, SECONDS = 1.0, 5.0
MAX_PACKET_ID = 65535


class Job(msgspec.Struct):
    """Who asks where."""

    port: int
    certificates: str
    devices: list[str]
    window: int


class Tally:
    """What all devices got within the measured time, and outside of it."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.accepted = self.counted = self.rejected = 0
        self.milliseconds: list[float] = []

    @property
    def over(self) -> bool:
        """Whether no more is to be asked."""
        return time.monotonic() >= self.began + WARM_S + SECONDS

    def answered(self, accepted: bool, asked_at: float) -> None:
        """One answer came."""
        now = time.monotonic()
        self.accepted += accepted
        self.rejected += not accepted
        if self.began + WARM_S <= now < self.began + WARM_S + SECONDS:
            self.counted += accepted
            self.milliseconds.append((now - asked_at) * 1000)


class Client(Responder):
    """One device; answers come at QoS 1, and it acknowledges them."""

    def __init__(self, device: str) -> None:
        super().__init__(device)
        self.deltas: list[tuple[str, int, float]] = []
        self._asked: list[float] = []
        self._number = 0
        self._ask: Callable[[], None] = lambda: None
        self._tally = Tally()
        self._idle = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if self._transport is not None:
            replies = [topics.shadow_reply(self.device, verb, "+") for verb in ("get", "update")]
            self._transport.write(subscribe(2, *replies))

    async def run(self, verb: str, window: int, tally: Tally) -> None:
        """Ask until the time is over and everything is answered."""
        self._tally = tally
        self._idle.clear()
        self._ask = lambda: self._request(verb)
        for _ in range(window):
            self._ask()
        await self._idle.wait()

    def _request(self, verb: str) -> None:
        self._number += 1
        body = REPORT % (self._number, self._number % 2) if verb == "update" else b""
        self._asked.append(time.monotonic())
        packet_id = self._number % MAX_PACKET_ID + 1
        if self._transport is not None:
            self._transport.write(encode_publish(topics.shadow(self.device, verb), body, 1, packet_id))

    def _answer(self, first: int, body: bytes) -> None:
        end = 2 + int.from_bytes(body[:2], "big")
        if self._transport is not None and first & 0x06:
            self._transport.write(encode_ack(PUBACK, int.from_bytes(body[end : end + 2], "big")))
        outcome = body[2:end].rpartition(b"/")[2]
        if outcome == b"delta":
            version = msgspec.json.decode(body[end + 2 :])["version"]
            self.deltas.append((self.device, version, time.monotonic()))
        elif outcome in (b"accepted", b"rejected"):
            self._tally.answered(outcome == b"accepted", self._asked.pop(0))
            if not self._tally.over:
                self._ask()
            elif not self._asked:
                self._idle.set()


REPORT = b'{"state":{"reported":{"count":%d,"heating":%d,"mode":"comfort","target":55.5,"firmware":"2.4.1"}}}'


async def connected(job: Job) -> list[Client]:
    """All devices, with a session and their subscriptions."""
    directory, gate, clients = Path(job.certificates), asyncio.Semaphore(CONNECTS_AT_ONCE), [Client(d) for d in job.devices]

    async def one(client: Client) -> None:
        async with gate:
            await client.open(job.port, device_context(directory, client.device))

    await asyncio.gather(*map(one, clients))
    return clients


async def ask(clients: list[Client], verb: str, window: int) -> dict[str, object]:
    """Let all ask; what came of it."""
    tally = Tally()
    await asyncio.gather(*(client.run(verb, window, tally) for client in clients))
    return {
        "accepted": tally.accepted, "rejected": tally.rejected, "per_s": tally.counted / SECONDS, "ms": tally.milliseconds,
    }  # fmt: skip


async def main(job: Job) -> list[tuple[str, int, float]]:
    """Do what is told; returns the deltas."""
    clients = await connected(job)
    tell("connected")
    async for word in told():
        if word in ("update", "get"):
            tell({"update": "updated", "get": "got"}[word], await ask(clients, word, job.window))
    for client in clients:
        client.close()
    return [delta for client in clients for delta in client.deltas]


if __name__ == "__main__":
    tell("done", uvloop.run(main(read_job(Job))))
