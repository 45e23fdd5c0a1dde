"""The raw MQTT client over WebSocket: the same calls, its bytes in binary frames."""

import asyncio
import ssl
from typing import Any

from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, BytesMessage, CloseConnection, Ping, Pong, RejectConnection, Request

from tests.support.mqtt_raw import RawClient


class FrameWriter:
    """The part of a StreamWriter that RawClient uses."""

    def __init__(self, frames: WSConnection, raw: asyncio.StreamWriter) -> None:
        self._frames, self._raw = frames, raw
        self.transport = raw.transport

    def write(self, data: bytes) -> None:
        self._raw.write(self._frames.send(BytesMessage(data)))

    async def drain(self) -> None:
        await self._raw.drain()

    def close(self) -> None:
        self._raw.close()

    async def wait_closed(self) -> None:
        await self._raw.wait_closed()


class WebSocketClient(RawClient):
    """One connection over WebSocket.

    Attributes:
        closed: code of the server's Close frame.
        pongs: payloads of its Pongs.
    """

    def __init__(self, frames: WSConnection, raw: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> None:
        super().__init__(asyncio.StreamReader(), FrameWriter(frames, raw[1]))  # type: ignore[arg-type]
        self.frames, self.raw = frames, raw
        self.closed: int | None = None
        self.pongs: list[bytes] = []
        self._pump = asyncio.create_task(self._read(), name="websocket")

    @classmethod
    async def open(cls, port: int, context: ssl.SSLContext) -> "WebSocketClient":
        raw = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="localhost")
        frames = WSConnection(ConnectionType.CLIENT)
        raw[1].write(frames.send(Request(host=f"localhost:{port}", target="/mqtt", subprotocols=["mqtt"])))
        while True:
            data = await raw[0].read(4096)
            if not data:
                raise ConnectionResetError("ended in the opening handshake")
            frames.receive_data(data)
            for event in frames.events():
                assert not isinstance(event, RejectConnection), event
                assert isinstance(event, AcceptConnection), event
                assert event.subprotocol == "mqtt"
                return cls(frames, raw)

    async def _read(self) -> None:
        try:
            while data := await self.raw[0].read(1 << 16):
                self.frames.receive_data(data)
                for event in self.frames.events():
                    self._take(event)
        except OSError:
            pass
        self.reader.feed_eof()

    def _take(self, event: Any) -> None:
        if isinstance(event, BytesMessage):
            self.reader.feed_data(event.data)
        elif isinstance(event, Ping):
            self.raw[1].write(self.frames.send(event.response()))
        elif isinstance(event, Pong):
            self.pongs.append(bytes(event.payload))
        elif isinstance(event, CloseConnection):
            self.closed = event.code
            self.reader.feed_eof()
            if self.frames.state.name == "REMOTE_CLOSING":
                self.raw[1].write(self.frames.send(event.response()))

    async def cut_off(self, timeout: float) -> None:
        """Wait until the server has ended TLS."""
        await asyncio.wait_for(asyncio.shield(self._pump), timeout)

    async def close(self) -> None:
        await super().close()
        self._pump.cancel()
        await asyncio.gather(self._pump, return_exceptions=True)


async def answer_to(port: int, context: ssl.SSLContext, request: bytes) -> bytes:
    """What the server says to a request, until it ends the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="localhost")
    writer.write(request)
    try:
        async with asyncio.timeout(5):
            return await reader.read()
    finally:
        writer.close()
