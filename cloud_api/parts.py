"""The already built things that the application stands on."""

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from certs.authority import Authority
from cloud_api.tenancy import Pool
from commands.service import CommandService
from ingest.history import History
from iotsphere.bus import EventBus
from iotsphere.devices import device_types
from iotsphere.devices._spec import DeviceType
from iotsphere.signals import Signals
from shadow.archive import Archive
from shadow.service import ShadowService

SystemStatus = Callable[[], Awaitable[Mapping[str, Any]]]
"""What `iotsphere status` knows: at least ``ready``, ``services``, ``disk``, ``version``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudParts:
    """What `launcher` hands to create_app().

    Attributes:
        pool: asyncpg pool of the database's owner, opened.
        telemetry_pool: of the database of the schema ``telemetry``; the same pool when there is one database.
        bus: not yet started; the application starts and stops it.
        signals: the same; the services have added their handlers.
        authority: signs the certificates of devices.
        jwt_secret: signs access tokens, at least 32 bytes, the same on every machine.
        dashboard: directory of the built dashboard; it may be missing.
        mqtt_host: name under which devices reach the MQTT listener.
        status: what `iotsphere status` knows.
        retention_days: how long raw readings are kept.
        registry: where the metrics of the whole process are.
        clock: seconds since the Unix epoch.
    """

    pool: Pool
    telemetry_pool: Pool
    bus: EventBus
    signals: Signals
    history: History
    shadow: ShadowService
    archive: Archive
    commands: CommandService
    authority: Authority
    jwt_secret: bytes
    dashboard: Path
    mqtt_host: str
    mqtt_port: int
    status: SystemStatus
    retention_days: int = 30
    types: Mapping[str, DeviceType] = field(default_factory=device_types)
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    clock: Callable[[], float] = time.time
