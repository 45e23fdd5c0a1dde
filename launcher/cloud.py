"""The composition root of `cloud`: REST, Socket.IO and the dashboard in one process."""

import asyncio
import errno
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any

import structlog
from prometheus_client import CollectorRegistry

from certs.authority import open_authority
from cloud_api.app import CloudParts, create_app
from cloud_api.tenancy import Pool
from commands.service import CommandService
from dashboard import DIST
from ingest.history import History
from ingest.latest import LatestStore
from iotsphere.devices import device_types
from iotsphere.errors import PortTaken
from iotsphere.infra.http import serve
from iotsphere.infra.metrics import SignalMetrics
from iotsphere.infra.postgres import make_pool
from iotsphere.infra.valkey_bus import ValkeyBus
from iotsphere.infra.valkey_signals import ValkeySignals
from launcher import status
from launcher.home import Home
from shadow.archive import Archive
from shadow.cache import ShadowCache, connect
from shadow.service import ShadowService

log = structlog.get_logger()

CONNECTIONS = 16
STATUS_AGE_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudOptions:
    """What `cloud` is told.

    Attributes:
        telemetry_dsn: database of the schema ``telemetry``.
        host, http_port: where to listen.
        mqtt_host, mqtt_port: where devices find the broker, as told to people who add one.
        retention_days: how long raw readings are kept.
        jwt_secret: the same for every `cloud` of an installation.
    """

    home: Home
    dsn: str
    telemetry_dsn: str
    redis_url: str
    host: str
    http_port: int
    mqtt_host: str
    mqtt_port: int
    jwt_secret: bytes
    retention_days: int = 30


async def run_cloud(options: CloudOptions, stop: asyncio.Event) -> None:
    """Serve until ``stop`` is set.

    Raises:
        PortTaken: somebody else listens there.
        Misconfigured: the certificate authority is incomplete.
    """

    def ready(port: int) -> None:
        log.info("cloud is ready", http=port)

    async with _opened(options) as parts:
        try:
            await serve(create_app(parts), options.host, options.http_port, stop, ready, parts.commands.end_waits)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            raise PortTaken(options.http_port, "IOTSPHERE_HTTP_PORT") from error


@asynccontextmanager
async def _opened(options: CloudOptions) -> AsyncIterator[CloudParts]:
    # low=0 connects at the first use: `cloud` starts, and says that it is not ready, while PostgreSQL is away.
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(await make_pool(options.dsn, name="cloud", low=0, high=CONNECTIONS))
        telemetry = pool
        if options.telemetry_dsn != options.dsn:
            apart = await make_pool(options.telemetry_dsn, name="cloud telemetry", low=0, high=CONNECTIONS)
            telemetry = await stack.enter_async_context(apart)
        redis = await stack.enter_async_context(connect(options.redis_url))
        cache = ShadowCache(redis, pool)
        cache.start()
        stack.push_async_callback(cache.stop)
        yield _parts(options, pool, telemetry, cache, LatestStore(redis, telemetry))


def _parts(options: CloudOptions, pool: Pool, telemetry: Pool, cache: ShadowCache, latest: LatestStore) -> CloudParts:
    types = device_types()
    registry = CollectorRegistry()
    bus = ValkeyBus(options.redis_url, name="cloud", registry=registry)
    signals = ValkeySignals(options.redis_url, metrics=SignalMetrics(registry))
    return CloudParts(
        pool=pool,
        telemetry_pool=telemetry,
        bus=bus,
        signals=signals,
        history=History(telemetry, latest),
        shadow=ShadowService(pool, cache, bus, signals, types),
        archive=Archive(pool),
        commands=CommandService(pool, signals, bus, types),
        authority=open_authority(options.home.certs),
        jwt_secret=options.jwt_secret,
        dashboard=DIST,
        mqtt_host=options.mqtt_host,
        mqtt_port=options.mqtt_port,
        status=StatusReader(options.home).read,
        retention_days=options.retention_days,
        types=types,
        registry=registry,
    )


class StatusReader:
    """What `iotsphere status` knows, read at most every STATUS_AGE_S seconds: it walks the home directory."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._known: Mapping[str, Any] = {}
        self._read_at = -STATUS_AGE_S
        self._lock = asyncio.Lock()

    async def read(self) -> Mapping[str, Any]:
        """The present state, without passwords."""
        async with self._lock:
            now = asyncio.get_running_loop().time()
            if now - self._read_at >= STATUS_AGE_S:
                self._known, self._read_at = await asyncio.to_thread(self._fresh), now
            return self._known

    def _fresh(self) -> Mapping[str, Any]:
        found = asdict(status.read(self._home))
        return {"ready": found["ready"], "services": found["services"], "disk": found["disk"], "version": version("iotsphere")}
