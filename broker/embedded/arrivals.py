"""The way in: a listening socket, TLS handshakes each in its turn, and who the certificate says has come."""

import asyncio
import socket
import ssl
from collections.abc import Callable, Coroutine
from typing import Protocol, cast

import structlog

from broker.embedded.limits import Limits
from broker.embedded.turns import Turns
from iotsphere.errors import Refused
from iotsphere.identity import PeerCertificate, peer_certificate

log = structlog.get_logger()

BACKLOG = 1024
ACCEPT_PAUSE_SECONDS = 0.1


class Host(Protocol):
    """Who takes those that have arrived."""

    def welcome(self, transport: asyncio.Transport, certificate: PeerCertificate, peer: str) -> None:
        """TLS is up and the certificate is one of ours."""

    def refused(self, device: str | None, category: str, reason: str, topic: str | None, peer: str) -> None:
        """Somebody did not get in."""


class Arrivals:
    """Accepts TCP connections and shakes hands.

    Attributes:
        arriving: connections that wait for their turn to shake hands, or do.
        handshakes: so many have succeeded; turned_away: connections over the bound.

    Args:
        turns: to shake hands; shared by all listeners.
        connections: how many are in now; those that are arriving are counted here.
    """

    def __init__(self, context: ssl.SSLContext, limits: Limits, host: Host, turns: Turns, connections: Callable[[], int]) -> None:
        self._context = context
        self._limits = limits
        self._host = host
        self._connections = connections
        self._turns = turns
        self._tasks: set[asyncio.Task[None]] = set()
        self._listening: socket.socket | None = None
        self.arriving = 0
        self.turned_away = 0
        self.handshakes = 0

    @property
    def open(self) -> bool:
        """Whether the door is open."""
        return self._listening is not None

    def start(self, host: str, port: int) -> int:
        """Listen; returns the port.

        Raises:
            OSError: the port is taken.
        """
        self._listening = _listen(host, port)
        self._spawn(self._accept(self._listening), "broker-accept")
        return int(self._listening.getsockname()[1])

    async def stop(self) -> None:
        """Let nobody in any more."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._listening is not None:
            self._listening.close()
            self._listening = None

    def _spawn(self, coroutine: Coroutine[None, None, None], name: str) -> None:
        task = asyncio.get_running_loop().create_task(coroutine, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _accept(self, listening: socket.socket) -> None:
        # Sockets are handed over with their TLS context: start_tls() on a transport that reads already would lose a ClientHello
        # that is quick, and the handshake would never end.
        loop = asyncio.get_running_loop()
        while True:
            try:
                accepted, address = await loop.sock_accept(listening)
            except OSError as error:  # out of descriptors: those who are in stay, the others wait in the backlog
                log.warning("cannot accept connections", error=str(error))
                await asyncio.sleep(ACCEPT_PAUSE_SECONDS)
                continue
            peer = f"{address[0]}:{address[1]}"
            if self._connections() + self.arriving >= self._limits.connections:
                self.turned_away += 1
                accepted.close()
                self._host.refused(None, "protocol", f"more than {self._limits.connections} connections", None, peer)
                continue
            self.arriving += 1
            self._spawn(self._let_in(accepted, address[0], peer), "broker-handshake")

    async def _let_in(self, accepted: socket.socket, address: str, peer: str) -> None:
        try:
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await self._shake_hands(accepted, address, peer)
        except (OSError, TimeoutError) as error:
            accepted.close()
            if not isinstance(error, ConnectionError):
                self._host.refused(None, "tls", _tls_reason(error), None, peer)
        except asyncio.CancelledError:
            accepted.close()
            raise
        finally:
            self.arriving -= 1

    def _count(self) -> None:
        self.handshakes += 1

    async def _shake_hands(self, accepted: socket.socket, address: str, peer: str) -> None:
        # Who has said nothing yet takes nobody's turn, and time in line is not held against anyone: in a storm of
        # reconnects the last one waits longer than a handshake may take.
        seconds = self._limits.connect_seconds
        async with asyncio.timeout(seconds):
            await _readable(accepted)
        async with self._turns.of(address), asyncio.timeout(seconds):
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: _Arrival(self._host, peer, self._count), accepted, ssl=self._context, ssl_handshake_timeout=seconds
            )


class _Arrival(asyncio.Protocol):
    """Waits for the end of the TLS handshake."""

    def __init__(self, host: Host, peer: str, arrived: Callable[[], None]) -> None:
        self._host, self._peer, self._arrived = host, peer, arrived

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transport is no subclass of asyncio's
        made = cast("asyncio.Transport", transport)
        try:
            certificate = peer_certificate(made.get_extra_info("ssl_object").getpeercert(binary_form=True))
        except Refused as refused:
            self._host.refused(None, refused.category, refused.reason, None, self._peer)
            made.abort()
            return
        self._arrived()
        self._host.welcome(made, certificate, self._peer)


async def _readable(accepted: socket.socket) -> None:
    """Wait until the peer has sent something, or has gone."""
    loop, ready = asyncio.get_running_loop(), asyncio.Event()
    accepted.setblocking(False)
    loop.add_reader(accepted, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(accepted)


def _listen(host: str, port: int) -> socket.socket:
    listening = socket.create_server((host, port), backlog=BACKLOG, family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    listening.setblocking(False)
    return listening


def _tls_reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return (error.reason or str(error)).replace("_", " ").lower()
    return "no TLS handshake in time" if isinstance(error, TimeoutError) else str(error) or type(error).__name__
