"""A device with an outbox: it connects again whenever it is cut off, and sends again what was not acknowledged."""

import asyncio
import ssl
from typing import cast

from tests.bench.publisher import CONNACK, KEEP_ALIVE
from tests.soak.stream import EndlessStream
from tests.support.mqtt_raw import connect

AGAIN_S = 0.2


class SoakDevice(asyncio.Protocol):
    """One of them. PUBACKs must come in turn, so what is acknowledged is every message below ``acked``.

    Attributes:
        acked: so many messages from the first on are acknowledged.
        sent: so many were sent at least once, in this connection or an earlier one.
        repeated: messages that were sent again.
        connects: connections so far.
        failed: what must never happen and did, else None.
    """

    def __init__(self, stream: EndlessStream, window: int, port: int, context: ssl.SSLContext) -> None:
        self.stream = stream
        self.acked = self.sent = self.repeated = self.connects = 0
        self.failed: str | None = None
        self._window, self._port, self._context = window, port, context
        self._flowing = False
        self._next = 0  # in this connection
        self._buffer = b""
        self._connected = False
        self._transport: asyncio.Transport | None = None
        self._lost = asyncio.Event()

    @property
    def flying(self) -> int:
        """Messages on their way."""
        return self._next - self.acked if self._connected else 0

    @property
    def connected(self) -> bool:
        """Whether it is let in."""
        return self._connected

    async def run(self) -> None:
        """Stay connected until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            self._lost.clear()
            try:
                await loop.create_connection(
                    lambda: self, "127.0.0.1", self._port, ssl=self._context, server_hostname="localhost"
                )
                await self._lost.wait()
            except OSError:  # nobody listens there, or it ended during the handshake
                await asyncio.sleep(AGAIN_S)

    def flow(self, on: bool) -> None:
        """Keep the window full, or send nothing more that is new."""
        self._flowing = on
        if on and self._connected:
            self._fill()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(connect(self.stream.device, keep_alive=KEEP_ALIVE))

    def connection_lost(self, error: Exception | None) -> None:
        self._connected, self._buffer, self._transport = False, b"", None
        self._lost.set()

    def data_received(self, data: bytes) -> None:
        if not self._connected:
            self._welcomed(data)
            return
        data = self._buffer + data
        count = len(data) // 4
        self._buffer = data[count * 4 :]
        if data[: count * 4] != self.stream.acknowledgements(self.acked, count) or self.acked + count > self._next:
            self.failed = f"{self.stream.device}: a PUBACK that was not in turn after {self.acked} messages"
            self.close()
            return
        self.acked += count
        if self._flowing:
            self._fill()

    def _welcomed(self, data: bytes) -> None:
        if data != CONNACK:  # the store was away: come again
            self.close()
            return
        self._connected, self._next = True, self.acked
        self.connects += 1
        again = self.sent - self.acked
        self.repeated += again
        self._send(again)
        if self._flowing:
            self._fill()

    def _fill(self) -> None:
        self._send(self._window - (self._next - self.acked))

    def _send(self, count: int) -> None:
        if count > 0 and self._transport is not None:
            self._transport.write(self.stream.messages(self._next, count))
            self._next += count
            self.sent = max(self.sent, self._next)

    def close(self) -> None:
        """End the connection."""
        if self._transport is not None:
            self._transport.write(b"\xe0\x00")
            self._transport.close()
