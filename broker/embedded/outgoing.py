"""Messages to one client: window, queue, expiry. Writes through a callable, so it needs no socket in tests."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from broker.api import Sent
from broker.embedded.codec import encode_publish
from broker.embedded.limits import Limits


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message. ``deadline`` in seconds of the loop's clock, None for none."""

    topic: str
    payload: bytes
    qos: int
    message: str
    deadline: float | None


class OutgoingQueue:
    """QoS 1 messages wait for one of ``limits.window`` places; at most ``limits.queue`` do; policy when full: refuse."""

    def __init__(
        self, limits: Limits, write: Callable[[bytes], None], buffered: Callable[[], int], clock: Callable[[], float]
    ) -> None:
        self._limits = limits
        self._write = write
        self._buffered = buffered
        self._clock = clock
        self._waiting: deque[Outgoing] = deque()
        self._in_flight: dict[int, Outgoing] = {}
        self._last_id = 0
        self.expired = 0

    def offer(self, outgoing: Outgoing) -> Sent:
        """Write it now, or keep it until there is room."""
        if outgoing.qos == 0:
            if self._buffered() > self._limits.write_bytes:
                return Sent.REFUSED
            self._write(encode_publish(outgoing.topic, outgoing.payload, 0))
            return Sent.QUEUED
        if len(self._waiting) >= self._limits.queue:
            return Sent.REFUSED
        self._waiting.append(outgoing)
        self.pump()
        return Sent.QUEUED

    def pump(self) -> None:
        """Write what the window and the socket have room for."""
        while self._waiting and len(self._in_flight) < self._limits.window and self._buffered() <= self._limits.write_bytes:
            outgoing = self._waiting.popleft()
            if outgoing.deadline is not None and outgoing.deadline <= self._clock():
                self.expired += 1
                continue
            packet_id = self._next_id()
            self._in_flight[packet_id] = outgoing
            self._write(encode_publish(outgoing.topic, outgoing.payload, 1, packet_id))

    def acknowledged(self, packet_id: int) -> str | None:
        """The PUBACK of a message came; returns the name given to send(), None when no such message is under way."""
        outgoing = self._in_flight.pop(packet_id, None)
        self.pump()
        return outgoing.message if outgoing else None

    def _next_id(self) -> int:
        while True:
            self._last_id = self._last_id % 65535 + 1
            if self._last_id not in self._in_flight:
                return self._last_id
