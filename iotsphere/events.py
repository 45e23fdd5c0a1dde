"""What services tell each other on the event bus. Lossy by design: whoever must not miss anything reads PostgreSQL.

Each event is a msgpack map. Times are ms since the Unix epoch.
"""

from typing import Any, Literal

import msgspec

DEVICE_STATUS = "device.status"
DEVICE_TELEMETRY = "device.telemetry"
DEVICE_COMMAND = "device.command"
DEVICE_UPDATE = "device.update"
ALERT_GENERATED = "alert.generated"
TOPICS = (DEVICE_STATUS, DEVICE_TELEMETRY, DEVICE_COMMAND, DEVICE_UPDATE, ALERT_GENERATED)
MAX_POINTS = 500
SessionReason = Literal["connected", "clean", "network", "keep_alive", "taken_over", "kicked", "revoked", "shut_down", "protocol"]
"""Why a device's presence changed."""


class TelemetryEnvelope(msgspec.Struct, kw_only=True, frozen=True, tag="telemetry"):
    """Up to MAX_POINTS stored readings.

    Attributes:
        points: (device, timestamp in ms, measurement, value, simulated) each.
        sent_at: when the rows were committed.
    """

    sent_at: int
    points: list[tuple[str, float, str, float, bool]]


class DeviceStatus(msgspec.Struct, kw_only=True, frozen=True, tag="status"):
    """A device connected or disconnected. A disconnect has the session of its connect."""

    device: str
    organization: str
    device_type: str
    simulated: bool
    connected: bool
    session: int
    reason: SessionReason
    at: int


class CommandChanged(msgspec.Struct, kw_only=True, frozen=True, tag="command"):
    """A command moved to another state; ``parked``: it stays in its state, unanswered, and others of its device go first."""

    id: str
    device: str
    organization: str
    name: str
    status: str
    at: int
    reason: dict[str, str] | None = None
    result: dict[str, Any] | None = None
    simulated: bool = False
    parked: bool = False


class ShadowChanged(msgspec.Struct, kw_only=True, frozen=True, tag="shadow"):
    """A shadow has a new version.

    Attributes:
        delta: None when desired and reported agree.
        convergence: how far the device is with each desired property that is not in effect: ``pending``, ``in_progress``,
            ``refused`` or ``failed``.
    """

    device: str
    organization: str
    name: str
    version: int
    delta: dict[str, Any] | None
    at: int
    convergence: dict[str, str] = {}
    simulated: bool = False


class MessageRefused(msgspec.Struct, kw_only=True, frozen=True, tag="refused"):
    """Something from a device was refused; ``category`` as in errors.Refused."""

    device: str
    category: str
    reason: str
    at: int
    count: int = 1


class AlertGenerated(msgspec.Struct, kw_only=True, frozen=True, tag="alert"):
    """An alert rule fired."""

    device: str
    organization: str
    rule: str
    severity: str
    text: str
    at: int
    simulated: bool = False


Event = TelemetryEnvelope | DeviceStatus | CommandChanged | ShadowChanged | MessageRefused | AlertGenerated
TOPIC_OF: dict[type, str] = {
    TelemetryEnvelope: DEVICE_TELEMETRY,
    DeviceStatus: DEVICE_STATUS,
    CommandChanged: DEVICE_COMMAND,
    ShadowChanged: DEVICE_UPDATE,
    MessageRefused: DEVICE_UPDATE,
    AlertGenerated: ALERT_GENERATED,
}

_decoder: msgspec.msgpack.Decoder[Event] = msgspec.msgpack.Decoder(Event)
_encoder = msgspec.msgpack.Encoder()


def encode(event: Event) -> bytes:
    """Encode one event. An integer beyond 64 bits, for which msgpack has no form, becomes a float; PostgreSQL has it exactly."""
    try:
        return _encoder.encode(event)
    except OverflowError:
        return _encoder.encode(_in_64_bits(msgspec.to_builtins(event)))


def _in_64_bits(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _in_64_bits(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_in_64_bits(inner) for inner in value]
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        return float(value) if abs(value) < 10**308 else str(value)
    return value


def decode(data: bytes) -> Event:
    """Decode one event.

    Raises:
        msgspec.DecodeError: it is none of ours.
    """
    return _decoder.decode(data)
