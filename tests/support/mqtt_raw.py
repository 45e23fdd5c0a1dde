"""A raw MQTT client for tests: bytes in, bytes out, nothing hidden."""

import asyncio
import ssl

from broker.embedded.codec import encode_length, encode_publish


def field(text: str | bytes) -> bytes:
    data = text.encode() if isinstance(text, str) else text
    return len(data).to_bytes(2, "big") + data


def connect(
    client_id: str, *, clean: bool = True, keep_alive: int = 60, will: tuple[str, bytes] | None = None, level: int = 4
) -> bytes:
    flags = (2 if clean else 0) | (0x0C if will else 0)
    body = field("MQTT") + bytes((level, flags)) + keep_alive.to_bytes(2, "big") + field(client_id)
    if will:
        body += field(will[0]) + field(will[1])
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
    async def session(cls, port: int, context: ssl.SSLContext, client_id: str, **options: object) -> "RawClient":
        client = await cls.open(port, context)
        client.write(connect(client_id, **options))  # type: ignore[arg-type]
        assert await client.packet() == b"\x20\x02\x00\x00"
        return client

    def write(self, data: bytes) -> None:
        self.writer.write(data)

    def publish(self, topic: str, payload: bytes, packet_id: int, qos: int = 1, dup: bool = False) -> None:
        self.write(encode_publish(topic, payload, qos, packet_id, dup))

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

    async def close(self) -> None:
        self.writer.close()
        try:
            await self.writer.wait_closed()
        except (OSError, ssl.SSLError):
            return
