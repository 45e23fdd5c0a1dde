"""One device of the load generator: a socket that sends slices of its stream and checks every PUBACK."""

import asyncio
import ssl
import time
from array import array
from typing import cast

from tests.bench.wire import Stream
from tests.support.mqtt_raw import connect

CONNACK = b"\x20\x02\x00\x00"
KEEP_ALIVE = 1200  # longer than any run, so that no ping is needed


class Publisher(asyncio.Protocol):
    """Sends on demand; ``window`` messages stay on their way when it is not 0.

    Attributes:
        acked: messages whose PUBACK came.
        sent: messages handed to the socket.
        failed: why it ended early, else None.
    """

    def __init__(self, stream: Stream, window: int) -> None:
        self.stream = stream
        self.acked = self.sent = 0
        self.failed: str | None = None
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.drained = asyncio.Event()
        self.latencies = array("d")
        self.due_at: tuple[float, float] | None = None  # when message 0 was due, and seconds between two
        self._window = window
        self._open = False
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    async def open(self, port: int, context: ssl.SSLContext | None) -> None:
        """Connect, over plain TCP without a context, and wait for the CONNACK."""
        loop, name = asyncio.get_running_loop(), "localhost" if context else None
        await loop.create_connection(lambda: self, "127.0.0.1", port, ssl=context, server_hostname=name)
        await self.ready

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(connect(self.stream.device, keep_alive=KEEP_ALIVE))

    def data_received(self, data: bytes) -> None:
        if not self.ready.done():
            self._answered(data)
            return
        data = self._buffer + data
        count = len(data) // 4
        self._buffer = data[count * 4 :]
        if data[: count * 4] != self.stream.acknowledgements(self.acked, count):
            self.fail("a PUBACK that was not in turn")
            return
        self._took(count)

    def _answered(self, data: bytes) -> None:
        if data == CONNACK:
            self.ready.set_result(None)
        else:
            self.ready.set_exception(ConnectionError(f"{self.stream.device}: no CONNACK but {data!r}"))

    def _took(self, count: int) -> None:
        if self.due_at is not None:
            now, (first, apart) = time.perf_counter(), self.due_at
            self.latencies.extend(now - first - number * apart for number in range(self.acked, self.acked + count))
        self.acked += count
        if self._open:
            self.send(min(count, self.stream.count - self.sent))
        elif self.acked == self.sent:
            self.drained.set()

    def send(self, count: int) -> None:
        """Send the next messages."""
        if count and self._transport is not None and self.failed is None:
            self._transport.write(self.stream.messages(self.sent, count))
            self.sent += count
            self.drained.clear()

    def begin(self) -> None:
        """Keep the window full until end()."""
        self._open = True
        self.send(self._window)

    def end(self) -> None:
        """Send nothing more by itself."""
        self._open = False
        if self.acked == self.sent:
            self.drained.set()

    def fail(self, why: str) -> None:
        """Stop, and say why in the result."""
        self.failed = f"{self.stream.device}: {why}"
        self.drained.set()
        if self._transport is not None:
            self._transport.abort()

    def connection_lost(self, error: Exception | None) -> None:
        if self.acked < self.sent and self.failed is None:
            self.fail(f"the connection was lost with {self.sent - self.acked} messages on their way: {error}")

    def close(self) -> None:
        """Say goodbye."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(b"\xe0\x00")
            self._transport.close()
