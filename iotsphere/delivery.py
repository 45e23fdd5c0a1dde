"""Messages between devices and the services behind the broker: what arrives, and the one door by which something goes out."""

from dataclasses import dataclass
from enum import Enum
from typing import Protocol

import msgspec

from iotsphere.registry import DeviceRecord
from iotsphere.topics import Route


class Delivery(msgspec.Struct, frozen=True, gc=False):
    """One PUBLISH that passed identity and ACL.

    Attributes:
        device: who sent it, from the certificate, never from the payload.
        route: the topic taken apart.
        topic: the topic as it was sent.
        payload: the application message.
        qos: as published, 0 to 2.
        maybe_repeated: DUP is set or the session is younger than 5 s: it may have been committed before.
        received_at: ms since the Unix epoch.
        session: the session epoch it came in.
    """

    device: DeviceRecord
    route: Route
    topic: str
    payload: bytes
    qos: int
    maybe_repeated: bool
    received_at: int
    session: int


class Sent(Enum):
    """What became of send()."""

    QUEUED = "queued"  # on its way; the PUBACK is told later for QoS 1, if it comes
    OFFLINE = "offline"  # no session, or none that subscribes to the topic
    REFUSED = "refused"  # the device's outgoing window and queue are full: try again later


@dataclass(frozen=True, slots=True)
class SendResult:
    """Outcome of send(), and the session that it was queued in (0 when none)."""

    sent: Sent
    session: int = 0


class Sender(Protocol):
    """The one door by which commands and shadow messages reach a device."""

    async def send(
        self, device: str, topic: str, payload: bytes, *, qos: int = 1, ttl: float | None = None, message: str = ""
    ) -> SendResult:
        """Send to a present device. ``ttl`` in seconds: not written after it; ``message`` comes back with the device's PUBACK."""

    def hears(self, device: str, topic: str) -> bool:
        """Whether the device is present and subscribes to the topic: whoever would only make a message in vain may ask before."""
