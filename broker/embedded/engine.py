"""The embedded broker: who is in, presence, the global bound, and the interface to the rest of the platform."""

import asyncio
import ssl
import time
from collections import Counter
from collections.abc import Collection, Coroutine, Mapping
from typing import Protocol

from broker import policy
from broker.api import Caps, DeliveryProof, Health, Ingest, Lane, Listener, Presence, Puback, SendResult, Sent, SessionReason
from broker.embedded.arrivals import Arrivals
from broker.embedded.codec import Connect
from broker.embedded.connection import Connection
from broker.embedded.lanes import AckGroup, LaneQueue, OnCommit
from broker.embedded.limits import Limits
from broker.embedded.outgoing import Outgoing
from broker.embedded.session import Session, seat_of
from broker.embedded.sessions import Sessions
from broker.embedded.state import State
from broker.embedded.subscription_store import NoSubscriptionStore, SubscriptionStore
from broker.embedded.turns import Turns
from broker.embedded.websocket import WebSockets
from iotsphere.errors import Refused, StoreUnavailable
from iotsphere.identity import PeerCertificate
from iotsphere.infra.memory import give_back
from iotsphere.registry import DeviceRecord, Registry

DRAIN_SECONDS = 5.0
WRITE_HIGH_WATER = 64 * 1024
ENDED = 1000
"""So many connections that have ended, and their memory is given back to the system."""


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
        subscriptions: keeps the filters of sessions that outlive this process; without one none does.
        on_commit: told of each commit: lane, messages, seconds.
        wss_port: where MQTT over WebSocket listens, on the same host and over the same TLS; None: nowhere, 0: a free port.
        wss_origins: of web pages that may connect, beside those that this very host serves.
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
        subscriptions: SubscriptionStore | None = None,
        on_commit: OnCommit | None = None,
        wss_port: int | None = None,
        wss_origins: Collection[str] = (),
    ) -> None:
        self.limits = limits or Limits()
        self.registry = registry
        self.listener: Listener
        self.lanes: dict[Lane, LaneQueue] = {}
        self.paused = 0
        self.pending_bytes = 0
        self.pending_messages = 0
        self.refusals: Counter[str] = Counter()
        self.acknowledgements = 0
        self.connects = 0
        self.throttled = 0
        self.stopping = False
        self.clock = time.monotonic
        self.loop: asyncio.AbstractEventLoop
        self.subscriptions: SubscriptionStore = NoSubscriptionStore() if subscriptions is None else subscriptions
        self.sessions = Sessions(self.limits, self.clock, self.subscriptions, registry)
        self.fan_out = self.sessions.fan_out
        turns = Turns(self.limits.handshakes, max(1, self.limits.handshakes // 2))
        self.websockets = WebSockets(self, wss_origins)
        self.arrivals = Arrivals(context, self.limits, self, turns, lambda: len(self._connections) - self.websockets.open)
        self.wss_arrivals = Arrivals(context, self.limits, self.websockets, turns, lambda: self.websockets.open)
        self._host, self._port, self._wss_port = host, port, wss_port
        self._epochs = epochs
        self._telemetry_workers = telemetry_workers
        self._live: dict[str, Connection] = {}
        self._connections: set[Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._relieved = False
        self._ended = 0
        self._on_commit = on_commit

    @property
    def caps(self) -> Caps:
        """What this engine promises."""
        return Caps(puback=Puback.DATABASE, delivery=DeliveryProof.DEVICE, live_kick=True, qos2=True)

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return self._port

    @property
    def wss_port(self) -> int | None:
        """The port of MQTT over WebSocket."""
        return self._wss_port

    async def start(self, ingest: Ingest, listener: Listener) -> None:
        """Listen.

        Raises:
            OSError: a port is taken: that of WebSocket when ``arrivals.open``.
        """
        self.listener = listener
        self.loop = asyncio.get_running_loop()
        for lane in Lane:
            workers = self._telemetry_workers if lane is Lane.TELEMETRY else 1
            self.lanes[lane] = LaneQueue(
                lane, ingest, batch=self.limits.batch, workers=workers, on_done=self._committed, on_commit=self._on_commit
            )
            self.lanes[lane].start()
        self._port = self.arrivals.start(self._host, self._port)
        if self._wss_port is not None:
            self._wss_port = self.wss_arrivals.start(self._host, self._wss_port)
        self._spawn(self._sweep(), "broker-sweep")

    async def stop(self) -> None:
        """Close every session with ``shut_down`` once what is pending is committed."""
        self.stopping = True
        await asyncio.gather(self.arrivals.stop(), self.wss_arrivals.stop())
        for connection in list(self._connections):
            connection.pause()
        await asyncio.gather(*(lane.stop(DRAIN_SECONDS) for lane in self.lanes.values()))
        for connection in list(self._connections):
            connection.close("shut_down")
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _spawn(self, coroutine: Coroutine[None, None, None], name: str) -> None:
        task = self.loop.create_task(coroutine, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # ── coming and going ───────────────────────────────────────────────────────────────────────────────────────────

    def welcome(self, transport: asyncio.Transport, certificate: PeerCertificate, peer: str) -> None:
        """TLS is up: from here on the connection speaks for itself."""
        connection = Connection(self, certificate, peer)
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
                certificate, _client_id(connect, certificate), record, self.registry.revoked(certificate.serial), time.time()
            )
            epoch = self._epochs.next()
        except Refused as refused:
            connection.reject(refused)
            return
        except StoreUnavailable:
            connection.unavailable()
            return
        if previous := self._live.get(seat_of(accepted)):
            previous.close("taken_over")
        self.connects += 1
        session, present = self.sessions.open(accepted, connect.clean_session)
        session.epoch = epoch
        self._live[seat_of(accepted)] = connection
        self._announce(session, True, "connected")
        connection.accept(connect, session, present)

    def closed(self, connection: Connection, reason: SessionReason, was_live: bool) -> None:
        """A connection has ended."""
        self._connections.discard(connection)
        self._ended += 1
        if connection.is_paused:
            self.paused -= 1
        if was_live:
            session = connection.session
            if self._live.get(seat := seat_of(session.record)) is connection:
                del self._live[seat]
            self.sessions.close(session)
            self._announce(session, False, reason)

    def _announce(self, session: Session, connected: bool, reason: SessionReason) -> None:
        if not session.is_service:
            self.listener.on_presence(Presence(session.record, session.epoch, connected, reason, int(time.time() * 1000)))

    def refused(self, device: str | None, category: str, reason: str, topic: str | None, peer: str) -> None:
        """Count and tell a refusal."""
        self.refusals[category] += 1
        self.listener.on_refused(device, category, reason, topic, peer)

    # ── bounds ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def submitted(self, connection: Connection, group: AckGroup) -> None:
        """A group is on its way into the store."""
        self.pending_messages += group.count
        self.pending_bytes += group.size
        if self.fan_out.is_heard or connection.session.hears_itself:
            self.fan_out.deliver(connection.session, group.deliveries)
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

    async def _sweep(self) -> None:
        storms = False
        while True:
            await asyncio.sleep(self.limits.sweep_seconds)
            now = self.clock()
            for connection in list(self._connections):
                if reason := connection.overdue(now):
                    if connection.state is not State.LIVE:
                        connection.refuse("protocol", f"no CONNECT within {self.limits.connect_seconds:g} s", None)
                    connection.close(reason)
            storms = self._give_back_memory(storms)

    def _give_back_memory(self, storms: bool) -> bool:
        """In a storm of reconnects each second, before most of them are back, to the last that ends; whether there is one."""
        if not self._ended or not (storms or self._ended >= ENDED):
            return False
        self._ended = 0
        give_back()
        return True

    # ── for the rest of the platform ───────────────────────────────────────────────────────────────────────────────

    async def send(
        self, device: str, topic: str, payload: bytes, *, qos: int = 1, ttl: float | None = None, message: str = ""
    ) -> SendResult:
        """Send to a present device that subscribes to the topic."""
        return self.offer(device, topic, payload, qos=qos, ttl=ttl, message=message)

    def offer(
        self, device: str, topic: str, payload: bytes, *, qos: int = 1, ttl: float | None = None, message: str = ""
    ) -> SendResult:
        """The same at once: this engine waits for nothing."""
        connection = self._live.get(device)
        if connection is None:
            return SendResult(Sent.OFFLINE)
        return connection.session.send(Outgoing(topic, payload, qos, message, None if ttl is None else self.clock() + ttl))

    def hears(self, device: str, topic: str) -> bool:
        """Whether the device is present and subscribes to the topic."""
        connection = self._live.get(device)
        return connection is not None and connection.session.hears(topic)

    def connected(self) -> Mapping[str, int]:
        """Session epoch of every live session, services left out."""
        return {name: c.session.epoch for name, c in self._live.items() if not c.session.is_service}

    async def kick(self, device: str, reason: SessionReason) -> None:
        """End the session of the device or service."""
        for seat in (device, f"service/{device}"):
            if connection := self._live.get(seat):
                connection.close(reason)

    def health(self) -> Health:
        """A snapshot."""
        ok = self.arrivals.open and (self._wss_port is None or self.wss_arrivals.open)
        return Health(ok, len(self._live), self.pending_messages, self.pending_bytes, self.paused)


def _client_id(connect: Connect, certificate: PeerCertificate) -> str:
    """A client without an id and without a wish for its session gets one from the server: that of its certificate."""
    return certificate.identity.id if not connect.client_id and connect.clean_session else connect.client_id
