"""Serves an ASGI application under uvicorn inside somebody else's event loop."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from iotsphere.infra.http_protocol import BoundedHttp
from iotsphere.pause import set_within

ASGIApp = Callable[[Any, Any, Any], Awaitable[None]]


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: it would raise the signal again and cut our own clean-up short."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._ending = asyncio.Event()

    def end(self) -> None:
        """Finish open requests and end."""
        self.should_exit = True
        self._ending.set()

    async def main_loop(self) -> None:
        """Ticks once a second and ends at once; uvicorn itself looks ten times a second whether it is to end."""
        while not await self.on_tick(0):
            await set_within(self._ending, 1.0)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are the supervisor's."""
        yield


async def serve(
    app: ASGIApp,
    host: str,
    port: int,
    stop: asyncio.Event,
    on_listening: Callable[[int], None] | None = None,
    on_stop: Callable[[], None] | None = None,
) -> None:
    """Serve until ``stop`` is set, then finish open requests within five seconds.

    Args:
        port: 0 picks a free one.
        on_listening: told the real port once requests are answered.
        on_stop: called before open requests are waited for; has those answered that would wait for longer.

    Raises:
        OSError: the port is taken.
    """
    config = uvicorn.Config(
        app, loop="none", http=BoundedHttp, ws="wsproto", lifespan="on", log_config=None, access_log=False,
        server_header=False, proxy_headers=False, timeout_graceful_shutdown=5, ws_max_size=64 * 1024, ws_ping_interval=None,
    )  # fmt: skip
    server = _Server(config)
    with _listen(host, port) as listener:
        running = asyncio.create_task(server.serve(sockets=[listener]), name="uvicorn")
        stopping = asyncio.create_task(stop.wait(), name="uvicorn-stop")
        try:
            await _wait_started(server, running)
            if on_listening is not None and server.started:
                on_listening(listener.getsockname()[1])
            await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if on_stop is not None:
                on_stop()
            server.end()
            stopping.cancel()
            await running


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # named: asyncio sets TCP_NODELAY by it
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except BaseException:
        listener.close()
        raise
    return listener


async def _wait_started(server: uvicorn.Server, running: "asyncio.Task[None]") -> None:
    while not server.started and not running.done():  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.01)
