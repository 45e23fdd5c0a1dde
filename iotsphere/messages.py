"""The payloads that devices and the platform exchange over MQTT (JSON)."""

from typing import Any, Literal

import msgspec

MAX_PAYLOAD_BYTES = 128 * 1024
MAX_EXACT_INTEGER = 2**53
YEAR_10000_MS = 253_402_300_800_000


class CommandRequest(msgspec.Struct, kw_only=True, frozen=True):
    """Platform → device. Times in ms since the Unix epoch; after ``expires_at`` the device must not act."""

    id: str
    name: str
    params: dict[str, Any]
    issued_at: int
    expires_at: int


class Reason(msgspec.Struct, frozen=True):
    """Why a command did not succeed."""

    code: str
    text: str = ""


class CommandResponse(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """Device → platform: the answer to a command; ``in_progress`` may be followed by one of the others."""

    status: Literal["in_progress", "succeeded", "failed", "rejected"]
    reason: Reason | None = None
    result: dict[str, Any] | None = None


class DeviceEvent(msgspec.Struct, kw_only=True, frozen=True):
    """Device → platform: something happened. ``ts`` in ms since the Unix epoch, arrival time when absent."""

    name: str
    severity: Literal["info", "warning", "error", "critical"] = "info"
    ts: float | None = None
    data: dict[str, Any] | None = None


class ShadowUpdate(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """A shadow update request: partial sections, optionally guarded by the version of the document or of a section."""

    state: dict[str, Any] | None
    version: int | None = None
    desired_version: int | None = None
    reported_version: int | None = None
    clientToken: str | None = None  # noqa: N815 - the field's standard name on the wire


class ShadowRequest(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """A shadow get or delete request; an empty payload means the same as ``{}``."""

    clientToken: str | None = None  # noqa: N815 - the field's standard name on the wire
    version: int | None = None
    desired_version: int | None = None
    reported_version: int | None = None
