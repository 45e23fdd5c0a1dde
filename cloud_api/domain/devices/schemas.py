"""Devices on the wire."""

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec

from cloud_api import reasons

DeviceId = Annotated[str, msgspec.Meta(extra_json_schema={"extra": {"pattern": reasons.DEVICE_ID}})]
"""Checked with what else the registry says of a new device, so that all of it is named."""


class PresenceView(msgspec.Struct, kw_only=True, frozen=True):
    """The newest session of a device."""

    connected: bool
    since: datetime
    reason: str
    session: int


class LatestView(msgspec.Struct, frozen=True):
    """The newest reading of a measurement.

    Attributes:
        ts: ms since the Unix epoch.
        source: device | simulation | replay | import | predicted | manual.
        quality: null for a good one; out_of_range: beyond what its type declares; undeclared: its type does not know it.
    """

    value: float | None
    ts: float
    source: str
    quality: str | None


class StatusText(msgspec.Struct, frozen=True):
    """What a device last said about itself, in its own words, and when that arrived."""

    text: str
    at: datetime


class Device(msgspec.Struct, kw_only=True, frozen=True):
    """A device with its presence and newest readings.

    Attributes:
        stale: it is connected, and no reading came for ``stale_after_s``, or none ever; None when that time is not known. False
            of one that is not connected: that is said before all else (``presence``).
        stale_after_s: 3 × the reporting interval that its type declares, else 3 × the median of the last 20 distances between
            its readings; None when there are too few to tell.
        has_delta: something that is desired of it, in any of its shadows, is not in effect; stuck_since: the earliest of that.
    """

    id: str
    device_type: str
    manufacturer: str
    organization: str
    kind: Literal["device", "simulated"]
    simulated: bool
    status: Literal["registered", "active", "disabled", "retired"]
    created_at: datetime
    last_connected: datetime | None
    presence: PresenceView | None
    status_text: StatusText | None
    last_data_at: float | None
    stale: bool | None
    stale_after_s: float | None
    has_delta: bool
    stuck_since: datetime | None
    latest: dict[str, LatestView]


class DevicePage(msgspec.Struct, kw_only=True, frozen=True):
    """Devices in order of their ids; ``next_cursor`` is None on the last page."""

    items: list[Device]
    next_cursor: str | None


class NewDevice(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A device to register. Its id is unique in the installation and never given out again."""

    id: DeviceId
    device_type: str
    organization: str | None = None
    manufacturer: Annotated[str, msgspec.Meta(min_length=1, max_length=200)] | None = None
    simulated: bool = False


class CertificateView(msgspec.Struct, kw_only=True, frozen=True):
    """A certificate without its key."""

    serial: str
    fingerprint: str
    issued_at: datetime
    not_after: datetime
    revoked_at: datetime | None
    revoked_reason: str | None


class CertificateList(msgspec.Struct, frozen=True):
    """Newest first."""

    items: list[CertificateView]


class RefusalView(msgspec.Struct, kw_only=True, frozen=True):
    """Something that was refused, and why; equal ones are counted."""

    id: str
    at: datetime
    device: str | None
    category: str
    reason: str
    topic: str | None
    peer: str | None
    count: int


class RefusalList(msgspec.Struct, frozen=True):
    """Newest first."""

    items: list[RefusalView]


class EventView(msgspec.Struct, frozen=True):
    """Something that a device told; ``data`` is what it added, as it wrote it."""

    timestamp: datetime
    name: str
    severity: Literal["info", "warning", "error", "critical"]
    data: dict[str, Any] | None


class EventList(msgspec.Struct, kw_only=True, frozen=True):
    """Newest first."""

    device: str
    simulated: bool
    items: list[EventView]


class ConnectInfo(msgspec.Struct, kw_only=True, frozen=True):
    """How the device connects; the two texts work as pasted beside the files of the certificate zip."""

    host: str
    port: int
    ca_pem: str
    topics: dict[str, str]
    mosquitto_pub: str
    python: str


class NumbersView(msgspec.Struct, kw_only=True, frozen=True):
    """Sequence numbers. Each is received, declared lost by the device itself, or missing.

    ``repeated`` counts messages beyond the first of a number, ``late`` those that came after a higher one.
    """

    received: int
    missing: int
    declared_lost: int
    repeated: int
    late: int


class RunView(msgspec.Struct, kw_only=True, frozen=True):
    """The numbers of one start of a device (``boot``), or of one session when it does not name its starts.

    ``missing_ranges`` are the newest, first and last number of each; of very many holes the oldest are only counted.
    """

    boot: str | None
    session: int | None
    first_seen: datetime
    last_seen: datetime
    lowest: int | None
    highest: int | None
    numbers: NumbersView
    missing_ranges: list[tuple[int, int]]
    declared_ranges: list[tuple[int, int]]


class GapList(msgspec.Struct, kw_only=True, frozen=True):
    """Runs of a device, the one that was heard of last first; a few seconds old, more under load."""

    device: str
    simulated: bool
    items: list[RunView]


class FleetNumbers(NumbersView, kw_only=True, frozen=True):
    """Sums over the runs that are still kept, those of retired devices too.

    ``lost`` is what the platform lost: messages or values that it acknowledged and that are neither in the telemetry nor in
    the dead letters.
    """

    lost: int


class FleetSummary(msgspec.Struct, kw_only=True, frozen=True):
    """Counts over the devices that the caller sees. ``stale`` counts connected ones; ``offline`` is not connected."""

    total: int
    connected: int
    stale: int
    offline: int
    simulated: int
    by_type: dict[str, int]
    points_last_minute: int
    numbers: FleetNumbers
