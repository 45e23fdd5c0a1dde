"""Messages to one client: window, queue, expiry, redelivery. Writes through a Link, so it needs no socket in tests."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from broker.api import Sent
from broker.embedded.codec import PUBREL, encode_ack, encode_publish
from broker.embedded.limits import Limits


class Link(Protocol):
    """The way to a client that is connected."""

    def write(self, data: bytes) -> None:
        """Hand bytes to the socket."""

    def buffered(self) -> int:
        """Bytes that the client has not taken yet."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message. ``deadline`` in seconds of the loop's clock; ``message`` names it to whoever gave it to send()."""

    topic: str
    payload: bytes
    qos: int
    message: str = ""
    deadline: float | None = None
    retain: bool = False

    def at_most(self, qos: int) -> "Outgoing":
        """The same, at no higher QoS than the subscription's."""
        return self if self.qos <= qos else replace(self, qos=qos)


class OutgoingQueue:
    """Messages of QoS 1 and 2 wait for one of ``limits.window`` places and are kept while the client is away.

    At most ``limits.queue`` wait, and ``limits.queue_bytes`` of payload are held in all; policy when full: refuse.
    QoS 0 is refused when the client reads too slowly or is away.
    """

    def __init__(self, limits: Limits, clock: Callable[[], float]) -> None:
        self._limits = limits
        self._clock = clock
        self._link: Link | None = None
        self._waiting: deque[Outgoing] = deque()
        self._in_flight: dict[int, Outgoing | None] = {}  # in the order of sending; None: PUBREC has come, PUBCOMP has not
        self._last_id = 0
        self.held = 0

    def __len__(self) -> int:
        return len(self._waiting) + len(self._in_flight)

    def attach(self, link: Link) -> None:
        """The client is there: send again what it did not acknowledge, in order, then what waits (MQTT 3.1.1, section 4.4)."""
        self._link = link
        for packet_id, outgoing in list(self._in_flight.items()):
            if outgoing is None:
                link.write(encode_ack(PUBREL, packet_id))
            elif self._is_late(outgoing):
                self._forget(packet_id)
            else:
                link.write(_packet(outgoing, packet_id, dup=True))
        self.pump()

    def detach(self) -> None:
        """The client is gone. What is named and was not sent is let go: whoever named it sends it again in the next session."""
        self._link = None
        kept = [outgoing for outgoing in self._waiting if not outgoing.message]
        self.held -= sum(len(outgoing.payload) for outgoing in self._waiting if outgoing.message)
        self._waiting = deque(kept)

    def offer(self, outgoing: Outgoing) -> Sent:
        """Write it now, or keep it until there is room."""
        if outgoing.qos == 0:
            return self._at_once(outgoing)
        if len(self._waiting) >= self._limits.queue or self.held + len(outgoing.payload) > self._limits.queue_bytes:
            return Sent.REFUSED
        self._waiting.append(outgoing)
        self.held += len(outgoing.payload)
        self.pump()
        return Sent.QUEUED

    def _at_once(self, outgoing: Outgoing) -> Sent:
        if self._link is None or self._link.buffered() > self._limits.write_bytes:
            return Sent.REFUSED
        self._link.write(encode_publish(outgoing.topic, outgoing.payload, 0, retain=outgoing.retain))
        return Sent.QUEUED

    def pump(self) -> None:
        """Write what the window and the socket have room for."""
        link, limits = self._link, self._limits
        while link and self._waiting and len(self._in_flight) < limits.window and link.buffered() <= limits.write_bytes:
            outgoing = self._waiting.popleft()
            if self._is_late(outgoing):
                self.held -= len(outgoing.payload)
                continue
            packet_id = self._next_id()
            self._in_flight[packet_id] = outgoing
            link.write(_packet(outgoing, packet_id, dup=False))

    def acknowledged(self, packet_id: int) -> str | None:
        """A PUBACK came; returns the name given to send(), None when no such message of QoS 1 is under way."""
        outgoing = self._in_flight.get(packet_id)
        if outgoing is None or outgoing.qos != 1:
            return None
        self._forget(packet_id)
        self.pump()
        return outgoing.message

    def received(self, packet_id: int) -> str | None:
        """A PUBREC came: answer it; returns the name given to send(), None when no such message of QoS 2 is under way."""
        outgoing = self._in_flight.get(packet_id)
        if outgoing is not None and outgoing.qos != 2:
            return None
        if self._link is not None:
            self._link.write(encode_ack(PUBREL, packet_id))  # also for an id that is not known: else the client never ends it
        if outgoing is None:
            return None
        self._in_flight[packet_id] = None
        self.held -= len(outgoing.payload)
        return outgoing.message

    def completed(self, packet_id: int) -> None:
        """A PUBCOMP came."""
        if self._in_flight.get(packet_id, self) is None:
            del self._in_flight[packet_id]
            self.pump()

    def _forget(self, packet_id: int) -> None:
        if (outgoing := self._in_flight.pop(packet_id)) is not None:
            self.held -= len(outgoing.payload)

    def _is_late(self, outgoing: Outgoing) -> bool:
        return outgoing.deadline is not None and outgoing.deadline <= self._clock()

    def _next_id(self) -> int:
        while True:
            self._last_id = self._last_id % 65535 + 1
            if self._last_id not in self._in_flight:
                return self._last_id


def _packet(outgoing: Outgoing, packet_id: int, dup: bool) -> bytes:
    return encode_publish(outgoing.topic, outgoing.payload, outgoing.qos, packet_id, dup, outgoing.retain)
