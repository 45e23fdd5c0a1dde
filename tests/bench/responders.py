"""Devices that answer every command at once, a process of its own (see child.py): ``connected``, then ``done`` with a count."""

import asyncio
import ssl
from pathlib import Path
from typing import cast

import msgspec
import uvloop

from broker.embedded.codec import encode_ack, encode_publish
from iotsphere import topics
from iotsphere.messages import CommandResponse
from tests.bench.child import read_job, tell, told_to_end
from tests.bench.publisher import CONNACK, KEEP_ALIVE
from tests.support.mqtt_raw import connect, subscribe
from tests.support.tls import device_context

CONNECTS_AT_ONCE = 20
ANSWER = msgspec.json.encode(CommandResponse(status="succeeded", result={}))
PUBACK = 0x40


class Job(msgspec.Struct):
    """Who answers where."""

    port: int
    certificates: str
    devices: list[str]


class Responder(asyncio.Protocol):
    """One device."""

    def __init__(self, device: str) -> None:
        self.device = device
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.answered = 0
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    async def open(self, port: int, context: ssl.SSLContext) -> None:
        """Connect, subscribe, and wait until both are granted."""
        loop = asyncio.get_running_loop()
        await loop.create_connection(lambda: self, "127.0.0.1", port, ssl=context, server_hostname="localhost")
        await self.ready

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(connect(self.device, keep_alive=KEEP_ALIVE))
        self._transport.write(subscribe(1, topics.command_request_filter(self.device)))

    def connection_lost(self, error: Exception | None) -> None:
        if not self.ready.done():
            self.ready.set_exception(ConnectionError(f"{self.device}: {error}"))

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (packet := self._next_packet()) is not None:
            self._handle(packet[0], *packet[1:])

    def _next_packet(self) -> tuple[int, bytes] | None:
        buffer, length, shift = self._buffer, 0, 0
        for offset in range(1, len(buffer)):
            length |= (buffer[offset] & 0x7F) << shift
            shift += 7
            if not buffer[offset] & 0x80:
                end = offset + 1 + length
                if end > len(buffer):
                    return None
                self._buffer = buffer[end:]
                return buffer[0], buffer[offset + 1 : end]
        return None

    def _handle(self, first: int, body: bytes) -> None:
        match first & 0xF0:
            case 0x90 if not self.ready.done():
                self.ready.set_result(None)
            case 0x30:
                self._answer(first, body)
            case 0x20 if body != CONNACK[2:]:
                self.ready.set_exception(ConnectionError(f"{self.device}: CONNACK {body!r}"))

    def _answer(self, first: int, body: bytes) -> None:
        end = 2 + int.from_bytes(body[:2], "big")
        command = topics.command_id_of_request(body[2:end].decode())
        if command is None or self._transport is None:
            return
        acknowledgement = encode_ack(PUBACK, int.from_bytes(body[end : end + 2], "big")) if first & 0x06 else b""
        self.answered += 1
        packet_id = self.answered % 65535 + 1
        answer = encode_publish(topics.command_response(self.device, command), ANSWER, 1, packet_id)
        self._transport.write(acknowledgement + answer)

    def close(self) -> None:
        """Say goodbye."""
        if self._transport is not None:
            self._transport.write(b"\xe0\x00")
            self._transport.close()


async def respond(job: Job) -> int:
    """Connect all, answer until told to end; returns how many commands were answered."""
    directory, gate = Path(job.certificates), asyncio.Semaphore(CONNECTS_AT_ONCE)
    responders = [Responder(device) for device in job.devices]

    async def one(responder: Responder) -> None:
        async with gate:
            await responder.open(job.port, device_context(directory, responder.device))

    await asyncio.gather(*map(one, responders))
    tell("connected")
    await told_to_end()
    for responder in responders:
        responder.close()
    return sum(responder.answered for responder in responders)


if __name__ == "__main__":
    tell("done", uvloop.run(respond(read_job(Job))))
