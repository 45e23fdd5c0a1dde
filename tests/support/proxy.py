"""A TCP proxy on loopback that fails as networks do."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from enum import Enum

CHUNK = 4096


class Fault(Enum):
    """What happens to connections."""

    NONE = "none"
    REFUSED = "refused"  # nobody listens
    RESET = "reset"  # each is reset as soon as it is there
    BLACK_HOLE = "black hole"  # each is accepted, and nothing is ever heard
    SLOW = "slow"  # SLOW_BYTES_S each way


SLOW_BYTES_S = 8_000


class Proxy:
    """Between devices and a broker.

    Attributes:
        target: port on loopback.
        port: where it listens, always the same one.
        accepted: connections so far.
    """

    def __init__(self, target: int) -> None:
        self.target = target
        self.port = 0
        self.accepted = 0
        self._fault = Fault.NONE
        self._server: asyncio.Server | None = None
        self._connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._stalled: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, reuse_address=True)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """End everything."""
        await self._stop_listening()
        tasks = list(self._connections)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def become(self, fault: Fault) -> None:
        """From now on; what is connected is cut, unless it only becomes slow."""
        self._fault = fault
        if fault is not Fault.SLOW:
            self.cut()
        if fault is Fault.REFUSED:
            await self._stop_listening()
        elif self._server is None:
            await self.start()

    def cut(self) -> None:
        """Reset every connection."""
        for task, writer in self._connections.items():
            _reset(writer)
            task.cancel()

    def stall(self) -> None:
        """The connections of now stay open, and nothing passes any longer; new ones are well."""
        self._stalled |= set(self._connections)

    async def _stop_listening(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        task = asyncio.current_task()
        assert task is not None
        self._connections[task] = writer
        try:
            await self._carry(reader, writer)
        except (OSError, asyncio.CancelledError):
            return
        finally:
            del self._connections[task]
            self._stalled.discard(task)
            writer.close()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._fault is Fault.RESET:
            _reset(writer)
            return
        if self._fault is Fault.BLACK_HOLE:
            await asyncio.Event().wait()
        there, back = await asyncio.open_connection("127.0.0.1", self.target)
        mine = asyncio.current_task()
        ways = [asyncio.create_task(self._pump(mine, *way), name="proxy-way") for way in ((reader, back), (there, writer))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            back.close()

    async def _pump(self, connection: object, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(CHUNK):
                if connection in self._stalled:
                    await asyncio.Event().wait()
                if self._fault is Fault.SLOW:
                    await asyncio.sleep(len(data) / SLOW_BYTES_S)
                writer.write(data)
                await writer.drain()


def _reset(writer: asyncio.StreamWriter) -> None:
    """An RST instead of a FIN."""
    with suppress(OSError):
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


@asynccontextmanager
async def running_proxy(target: int) -> AsyncIterator[Proxy]:
    """One, until the end of the block."""
    proxy = Proxy(target)
    await proxy.start()
    try:
        yield proxy
    finally:
        await proxy.stop()
