"""The broker interface: what the rest of the platform knows of MQTT. Engines: embedded, RabbitMQ, mosquitto."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from iotsphere.delivery import Delivery, Sender, SendResult, Sent
from iotsphere.events import SessionReason
from iotsphere.registry import DeviceRecord
from iotsphere.topics import Kind

__all__ = [
    "LANE_OF",
    "Broker",
    "Caps",
    "Delivery",
    "DeliveryProof",
    "Health",
    "Ingest",
    "Lane",
    "Listener",
    "Presence",
    "Puback",
    "SendResult",
    "Sent",
    "SessionReason",
]


class Puback(Enum):
    """What a PUBACK to a device means."""

    DATABASE = "database"  # committed in PostgreSQL
    QUORUM = "quorum"  # held by a majority of a quorum queue
    MEMORY = "memory"  # in the broker's memory only


class DeliveryProof(Enum):
    """What on_delivered means: the device's own PUBACK, or only that the broker has the message."""

    DEVICE = "device"
    BROKER = "broker"


@dataclass(frozen=True, slots=True)
class Caps:
    """What an engine can do."""

    puback: Puback
    delivery: DeliveryProof
    live_kick: bool
    qos2: bool = False
    mqtt5: bool = False


class Lane(Enum):
    """Messages that are committed together. A lane never waits for another one."""

    TELEMETRY = "telemetry"
    SHADOW = "shadow"
    COMMAND = "command"
    EVENT = "event"


LANE_OF: Mapping[Kind, Lane] = {
    Kind.TELEMETRY: Lane.TELEMETRY,
    Kind.EVENT: Lane.EVENT,
    Kind.STATUS: Lane.EVENT,
    Kind.SHADOW_GET: Lane.SHADOW,
    Kind.SHADOW_UPDATE: Lane.SHADOW,
    Kind.SHADOW_DELETE: Lane.SHADOW,
    Kind.COMMAND_RESPONSE: Lane.COMMAND,
}


class Ingest(Protocol):
    """Where deliveries go."""

    async def commit(self, lane: Lane, batch: Sequence[Delivery]) -> None:
        """Returns when every delivery is committed or its refusal recorded. Waits out an absent store; never raises for it."""

    async def give_up(self, lane: Lane, delivery: Delivery, error: Exception) -> None:
        """commit() raises for this one whatever is tried: keep it where people look. Returns when it is recorded."""


@dataclass(frozen=True, slots=True)
class Presence:
    """A session began or ended. Every end has the session of its beginning; pairs are strict.

    Attributes:
        at: ms since the Unix epoch.
    """

    device: DeviceRecord
    session: int
    connected: bool
    reason: SessionReason
    at: int


class Listener(Protocol):
    """What the broker tells the rest. Called in the event loop; must return at once (queue what takes time)."""

    def on_presence(self, presence: Presence) -> None:
        """A session began or ended."""

    def on_subscribed(self, device: DeviceRecord, session: int, topic_filter: str) -> None:
        """A SUBSCRIBE was granted: what waits for the device can go out now."""

    def on_delivered(self, device: str, session: int, message: str) -> None:
        """The PUBACK for a message given to send() came (see Caps.delivery)."""

    def on_refused(self, device: str | None, category: str, reason: str, topic: str | None, peer: str) -> None:
        """A connection or a message was refused; device is what the peer claims to be."""


@dataclass(frozen=True, slots=True)
class Health:
    """What `iotsphere status` and /metrics show of a broker."""

    ok: bool
    connections: int
    pending_messages: int
    pending_bytes: int
    paused_sockets: int
    detail: str = ""


class Broker(Sender, Protocol):
    """One MQTT engine."""

    @property
    def caps(self) -> Caps:
        """What this engine can do and promises."""

    async def start(self, ingest: Ingest, listener: Listener) -> None:
        """Open the listeners and serve until stop()."""

    async def stop(self) -> None:
        """Close every session with reason ``shut_down`` after what is pending was committed, within a bound."""

    def connected(self) -> Mapping[str, int]:
        """Session epoch by device id, of every live session."""

    async def kick(self, device: str, reason: SessionReason) -> None:
        """End the device's session, if any."""

    def health(self) -> Health:
        """A snapshot."""
