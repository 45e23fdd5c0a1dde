"""A raw MQTT client for tests: bytes in, bytes out, nothing hidden."""

import asyncio
import ssl
from dataclasses import dataclass

import pytest

from broker.embedded.codec import PINGRESP, PUBACK, PUBCOMP, PUBREC, PUBREL, encode_ack, encode_length, encode_publish

PINGREQ = b"\xc0\x00"
DISCONNECT = b"\xe0\x00"


@dataclass(frozen=True)
class Message:
    """A PUBLISH as it came."""

    topic: str
    payload: bytes
    qos: int
    packet_id: int
    dup: bool
    retain: bool


def field(text: str | bytes) -> bytes:
    data = text.encode() if isinstance(text, str) else text
    return len(data).to_bytes(2, "big") + data


def connect(
    client_id: str,
    *,
    clean: bool = True,
    keep_alive: int = 60,
    will: tuple[str, bytes] | None = None,
    will_retain: bool = False,
    user: str | None = None,
    level: int = 4,
) -> bytes:
    flags = (2 if clean else 0) | (0x0C if will else 0) | (0x20 if will_retain else 0) | (0x80 if user is not None else 0)
    body = field("MQTT") + bytes((level, flags)) + keep_alive.to_bytes(2, "big") + field(client_id)
    if will:
        body += field(will[0]) + field(will[1])
    if user is not None:
        body += field(user)
    return packet(0x10, body)


def packet(first: int, body: bytes) -> bytes:
    return bytes((first,)) + encode_length(len(body)) + body


def subscribe(packet_id: int, *filters: str, qos: int = 1) -> bytes:
    return packet(0x82, packet_id.to_bytes(2, "big") + b"".join(field(f) + bytes((qos,)) for f in filters))


class RawClient:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def open(cls, port: int, context: ssl.SSLContext) -> "RawClient":
        return cls(*await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="localhost"))

    @classmethod
    async def session(
        cls, port: int, context: ssl.SSLContext, client_id: str, *, present: bool = False, **options: object
    ) -> "RawClient":
        client = await cls.open(port, context)
        client.write(connect(client_id, **options))  # type: ignore[arg-type]
        assert await client.packet() == bytes((0x20, 2, present, 0))
        return client

    def write(self, data: bytes) -> None:
        self.writer.write(data)

    def publish(self, topic: str, payload: bytes, packet_id: int, qos: int = 1, dup: bool = False, retain: bool = False) -> None:
        self.write(encode_publish(topic, payload, qos, packet_id, dup, retain))

    async def published(self, topic: str, payload: bytes, packet_id: int = 1, qos: int = 1, *, retain: bool = False) -> None:
        """Publish and go through all its acknowledgements; nothing else may come in between."""
        self.publish(topic, payload, packet_id, qos, retain=retain)
        if qos == 1:
            assert await self.packet() == encode_ack(PUBACK, packet_id)
        if qos == 2:
            assert await self.packet() == encode_ack(PUBREC, packet_id)
            self.write(encode_ack(PUBREL, packet_id))
            assert await self.packet() == encode_ack(PUBCOMP, packet_id)

    async def subscribed(self, *filters: str, qos: int = 1, packet_id: int = 1) -> None:
        """Subscribe; all must be granted as asked."""
        self.write(subscribe(packet_id, *filters, qos=qos))
        assert await self.packet() == packet(0x90, packet_id.to_bytes(2, "big") + bytes((qos,)) * len(filters))

    async def message(self, timeout: float = 5.0) -> "Message":
        """The next PUBLISH, not acknowledged yet."""
        found = await self.packet(timeout)
        assert found, "the server has ended the connection"
        assert found[0] & 0xF0 == 0x30, found
        start = 2 if found[1] < 0x80 else 3 if found[2] < 0x80 else 4
        end = start + 2 + int.from_bytes(found[start : start + 2], "big")
        flags, qos = found[0] & 15, found[0] >> 1 & 3
        packet_id = int.from_bytes(found[end : end + 2], "big") if qos else 0
        payload = found[end + 2 if qos else end :]
        return Message(found[start + 2 : end].decode(), payload, qos, packet_id, flags & 8 != 0, flags & 1 != 0)

    async def received(self, timeout: float = 5.0) -> "Message":
        """The next PUBLISH, acknowledged by the rules of its QoS."""
        found = await self.message(timeout)
        if found.qos == 1:
            self.write(encode_ack(PUBACK, found.packet_id))
        if found.qos == 2:
            self.write(encode_ack(PUBREC, found.packet_id))
            assert await self.packet() == encode_ack(PUBREL, found.packet_id)
            self.write(encode_ack(PUBCOMP, found.packet_id))
        return found

    async def nothing(self, seconds: float = 0.15) -> None:
        """Nothing comes."""
        with pytest.raises(TimeoutError):
            await self.packet(seconds)

    async def alive(self) -> None:
        """The connection is served."""
        self.write(PINGREQ)
        assert await self.packet() == PINGRESP

    async def ended(self, timeout: float = 5.0) -> None:
        """The server has ended the connection, and said nothing more."""
        assert await self.packet(timeout) == b""

    async def packet(self, timeout: float = 5.0) -> bytes:
        """The next packet, whole; empty when the server has ended the connection."""
        async with asyncio.timeout(timeout):
            try:
                first = await self.reader.readexactly(1)
                length, shift, head = 0, 0, b""
                while True:
                    byte = await self.reader.readexactly(1)
                    head += byte
                    length |= (byte[0] & 0x7F) << shift
                    shift += 7
                    if not byte[0] & 0x80:
                        return first + head + await self.reader.readexactly(length)
            except (asyncio.IncompleteReadError, ConnectionError):
                return b""

    async def leave(self) -> None:
        """DISCONNECT, and wait for the end."""
        self.write(DISCONNECT)
        await self.ended()
        await self.close()

    def vanish(self) -> None:
        """Cut the connection off."""
        self.writer.transport.abort()

    async def close(self) -> None:
        self.writer.close()
        try:
            await self.writer.wait_closed()
        except (OSError, ssl.SSLError):
            return
