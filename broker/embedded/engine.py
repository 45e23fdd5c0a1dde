"""The embedded broker: listeners, handshakes, sessions, presence, bounds."""

import asyncio
import socket
import ssl
import time
from collections.abc import Coroutine, Mapping
from typing import Protocol, cast

import structlog

from broker import policy
from broker.api import Caps, DeliveryProof, Health, Ingest, Lane, Listener, Presence, Puback, Reason, SendResult, Sent
from broker.embedded.codec import Connect
from broker.embedded.connection import Connection, State
from broker.embedded.lanes import AckGroup, LaneQueue
from broker.embedded.limits import Limits
from iotsphere.errors import Refused, StoreUnavailable
from iotsphere.identity import peer_certificate
from iotsphere.registry import DeviceRecord, Registry

log = structlog.get_logger()

SWEEP_SECONDS = 1.0
DRAIN_SECONDS = 5.0
WRITE_HIGH_WATER = 64 * 1024
BACKLOG = 1024
ACCEPT_PAUSE_SECONDS = 0.1


class Epochs(Protocol):
    """Session epochs: integers that grow, also across restarts and processes."""

    def next(self) -> int:
        """The next one.

        Raises:
            StoreUnavailable: there is none now; the client is told to come again.
        """


class EmbeddedBroker:
    """MQTT 3.1.1 over mutual TLS in this process. A PUBACK means that ingest has committed.

    Args:
        host, port: where to listen; 0 picks a free port (see ``port`` after start).
        context: from iotsphere.infra.tls.server_context.
        registry: who is known.
        epochs: numbers of sessions.
        limits: every bound.
        telemetry_workers: telemetry commits under way at once.
    """

    def __init__(
        self,
        host: str,
        port: int,
        context: ssl.SSLContext,
        registry: Registry,
        epochs: Epochs,
        limits: Limits | None = None,
        telemetry_workers: int = 2,
    ) -> None:
        self.limits = limits or Limits()
        self.registry = registry
        self.listener: Listener
        self.lanes: dict[Lane, LaneQueue] = {}
        self.paused = 0
        self.pending_bytes = 0
        self.pending_messages = 0
        self.refusals = 0
        self.connects = 0
        self.clock = time.monotonic
        self.loop: asyncio.AbstractEventLoop
        self._host, self._port, self._context = host, port, context
        self._epochs = epochs
        self._telemetry_workers = telemetry_workers
        self._sessions: dict[str, Connection] = {}
        self._connections: set[Connection] = set()
        self._services: set[Connection] = set()
        self._handshakes = asyncio.Semaphore(self.limits.handshakes)
        self._tasks: set[asyncio.Task[None]] = set()
        self._listening: socket.socket | None = None
        self._relieved = False

    @property
    def caps(self) -> Caps:
        """What this engine promises."""
        return Caps(puback=Puback.DATABASE, delivery=DeliveryProof.DEVICE, live_kick=True, qos2=True)

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return self._port

    async def start(self, ingest: Ingest, listener: Listener) -> None:
        """Listen."""
        self.listener = listener
        self.loop = asyncio.get_running_loop()
        for lane in Lane:
            workers = self._telemetry_workers if lane is Lane.TELEMETRY else 1
            self.lanes[lane] = LaneQueue(lane, ingest, batch=self.limits.batch, workers=workers, on_done=self._committed)
            self.lanes[lane].start()
        self._listening = _listen(self._host, self._port)
        self._port = self._listening.getsockname()[1]
        self._accepting = self.loop.create_task(self._accept(self._listening), name="broker-accept")
        self._spawn(self._sweep(), "broker-sweep")

    async def stop(self) -> None:
        """Close every session with ``shut_down`` once what is pending is committed."""
        if self._listening is not None:
            self._accepting.cancel()
            await asyncio.gather(self._accepting, return_exceptions=True)
            self._listening.close()
            self._listening = None
        for connection in list(self._connections):
            connection.pause()
        await asyncio.gather(*(lane.stop(DRAIN_SECONDS) for lane in self.lanes.values()))
        for connection in list(self._connections):
            connection.will = None
            connection.close("shut_down")
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _spawn(self, coroutine: Coroutine[None, None, None], name: str) -> None:
        task = self.loop.create_task(coroutine, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # ── arriving ───────────────────────────────────────────────────────────────────────────────────────────────────

    async def _accept(self, listening: socket.socket) -> None:
        # Sockets are handed over with their TLS context: start_tls() on a transport that reads already would lose a ClientHello
        # that is quick, and the handshake would never end.
        while True:
            try:
                accepted, address = await self.loop.sock_accept(listening)
            except OSError as error:  # out of descriptors: those who are in stay, the others wait in the backlog
                log.warning("cannot accept connections", error=str(error))
                await asyncio.sleep(ACCEPT_PAUSE_SECONDS)
                continue
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._spawn(self._shake_hands(accepted, f"{address[0]}:{address[1]}"), "broker-handshake")

    async def _shake_hands(self, accepted: socket.socket, peer: str) -> None:
        arrival = _Arrival(self, peer, self.clock())
        try:
            async with asyncio.timeout(self.limits.connect_seconds):
                async with self._handshakes:
                    await self.loop.connect_accepted_socket(
                        lambda: arrival, accepted, ssl=self._context, ssl_handshake_timeout=self.limits.connect_seconds
                    )
        except (OSError, TimeoutError) as error:
            accepted.close()
            if not isinstance(error, ConnectionError):
                self.refused(None, "tls", _tls_reason(error), None, peer)

    def arrived(self, transport: asyncio.Transport, peer: str, began: float) -> None:
        """TLS is up: from here on the connection speaks for itself."""
        try:
            der = transport.get_extra_info("ssl_object").getpeercert(binary_form=True)
            certificate = peer_certificate(der)
        except Refused as refused:
            self.refused(None, refused.category, refused.reason, None, peer)
            transport.abort()
            return
        connection = Connection(self, certificate, peer)
        connection.accepted_at = began
        self._connections.add(connection)
        transport.set_write_buffer_limits(high=WRITE_HIGH_WATER)
        transport.set_protocol(connection)
        connection.connection_made(transport)

    def check(self, connection: Connection, connect: Connect) -> None:
        """Decide on a CONNECT, at once when the registry has the device in memory."""
        record = self.registry.get(connection.certificate.identity.id)
        if record is not None or connection.certificate.identity.kind == "service":
            self._decide(connection, connect, record)
        else:
            self._spawn(self._ask(connection, connect), "broker-registry")

    async def _ask(self, connection: Connection, connect: Connect) -> None:
        try:
            record = await self.registry.find(connection.certificate.identity.id)
        except StoreUnavailable:
            connection.unavailable()
            return
        self._decide(connection, connect, record)

    def _decide(self, connection: Connection, connect: Connect, record: DeviceRecord | None) -> None:
        if connection.state is not State.CHECKING:
            return
        certificate = connection.certificate
        try:
            accepted = policy.identify(
                certificate, connect.client_id, record, self.registry.revoked(certificate.serial), time.time()
            )
            session = self._epochs.next()
        except Refused as refused:
            connection.reject(refused)
            return
        except StoreUnavailable:
            connection.unavailable()
            return
        if previous := self._sessions.get(accepted.id):
            previous.close("taken_over")
        self.connects += 1
        self._sessions[accepted.id] = connection
        if accepted.kind == "service":
            self._services.add(connection)
        self._announce(accepted, session, True, "connected")
        connection.accept(connect, accepted, session)

    def closed(self, connection: Connection, reason: Reason, was_live: bool) -> None:
        """A connection has ended."""
        self._connections.discard(connection)
        self._services.discard(connection)
        if connection.is_paused:
            self.paused -= 1
        record = connection.record
        if was_live and record is not None:
            if self._sessions.get(record.id) is connection:
                del self._sessions[record.id]
            self._announce(record, connection.session, False, reason)

    def _announce(self, record: DeviceRecord, session: int, connected: bool, reason: Reason) -> None:
        if record.kind != "service":
            self.listener.on_presence(Presence(record, session, connected, reason, int(time.time() * 1000)))

    def refused(self, device: str | None, category: str, reason: str, topic: str | None, peer: str) -> None:
        """Count and tell a refusal."""
        self.refusals += 1
        self.listener.on_refused(device, category, reason, topic, peer)

    # ── bounds ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def submitted(self, connection: Connection, group: AckGroup) -> None:
        """A group is on its way into the store."""
        self.pending_messages += group.count
        self.pending_bytes += group.size
        if self._services:
            self._fan_out(group)
        if self.pending_bytes > self.limits.total_pending_bytes:
            self._relieve()

    def _committed(self, group: AckGroup) -> None:
        self.pending_messages -= group.count
        self.pending_bytes -= group.size
        if self._relieved and self.pending_bytes * 2 <= self.limits.total_pending_bytes:
            self._relieved = False
            for connection in self._connections:
                if connection.unacknowledged * 2 <= self.limits.unacknowledged:
                    connection.resume()

    def _relieve(self) -> None:
        """Stop reading the largest holders until what the others hold is half of the bound; who holds nothing is always read."""
        self._relieved = True
        held = self.pending_bytes
        for connection in sorted(self._connections, key=lambda c: c.pending_bytes, reverse=True):
            if held * 2 <= self.limits.total_pending_bytes or not connection.pending_bytes:
                break
            held -= connection.pending_bytes
            connection.pause()

    def _fan_out(self, group: AckGroup) -> None:
        for delivery in group.deliveries:
            for service in self._services:
                if service.record is not None and policy.may_receive(service.record, delivery.device):
                    service.offer(delivery.topic, delivery.payload, min(delivery.qos, 1), None, "")

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            now = self.clock()
            for connection in list(self._connections):
                if reason := connection.overdue(now):
                    if connection.state is not State.LIVE:
                        connection.refuse("protocol", f"no CONNECT within {self.limits.connect_seconds:g} s", None)
                    connection.close(reason)

    # ── for the rest of the platform ───────────────────────────────────────────────────────────────────────────────

    async def send(
        self, device: str, topic: str, payload: bytes, *, qos: int = 1, ttl: float | None = None, message: str = ""
    ) -> SendResult:
        """Send to a present device that subscribes to the topic."""
        connection = self._sessions.get(device)
        return SendResult(Sent.OFFLINE) if connection is None else connection.offer(topic, payload, qos, ttl, message)

    def connected(self) -> Mapping[str, int]:
        """Session epoch of every live session, services left out."""
        return {name: c.session for name, c in self._sessions.items() if c not in self._services}

    async def kick(self, device: str, reason: Reason) -> None:
        """End the device's session."""
        if connection := self._sessions.get(device):
            connection.close(reason)

    def health(self) -> Health:
        """A snapshot."""
        return Health(self._listening is not None, len(self._sessions), self.pending_messages, self.pending_bytes, self.paused)


class _Arrival(asyncio.Protocol):
    """Waits for the end of the TLS handshake."""

    def __init__(self, engine: EmbeddedBroker, peer: str, began: float) -> None:
        self._engine, self._peer, self._began = engine, peer, began

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transport is no subclass of asyncio's
        self._engine.arrived(cast("asyncio.Transport", transport), self._peer, self._began)


def _listen(host: str, port: int) -> socket.socket:
    listening = socket.create_server((host, port), backlog=BACKLOG, family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    listening.setblocking(False)
    return listening


def _tls_reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return (error.reason or str(error)).replace("_", " ").lower()
    return "no TLS handshake in time" if isinstance(error, TimeoutError) else str(error) or type(error).__name__
