"""The cloud process within the test's: real PostgreSQL and Valkey, real uvicorn, an HTTP and a Socket.IO client."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import socketio

from cloud_api.app import create_app
from cloud_api.auth import Principal, Role, Tokens
from cloud_api.domain.devices import table as devices
from cloud_api.domain.users.service import add_user
from cloud_api.parts import CloudParts
from commands.service import CommandService
from ingest.history import History
from ingest.latest import LatestStore
from iotsphere.devices._spec import DeviceType
from iotsphere.infra.http import serve
from iotsphere.infra.postgres import make_pool
from iotsphere.infra.valkey_bus import ValkeyBus
from iotsphere.infra.valkey_signals import ValkeySignals
from shadow.archive import Archive
from shadow.cache import ShadowCache, connect
from shadow.service import ShadowService
from tests.support.pki import Pki
from tests.support.pump import PUMP

SECRET = b"a secret of the tests, long enough"
PASSWORD = "correct horse"
RETENTION_DAYS = 3650  # the readings of the tests are of fixed days


@dataclass
class Browser:
    """A Socket.IO client that remembers what it heard."""

    client: socketio.AsyncClient
    heard: list[tuple[str, Any]] = field(default_factory=list)

    async def join(self, room: str) -> dict[str, Any]:
        return dict(await self.client.call("join", {"room": room}, timeout=5))

    async def leave(self, room: str) -> dict[str, Any]:
        return dict(await self.client.call("leave", {"room": room}, timeout=5))

    def events(self, name: str) -> list[Any]:
        return [data for event, data in self.heard if event == name]

    async def hears(self, name: str, count: int = 1, timeout: float = 5.0) -> list[Any]:
        async with asyncio.timeout(timeout):
            while len(self.events(name)) < count:  # noqa: ASYNC110 - the client has no event to wait for
                await asyncio.sleep(0.005)
        return self.events(name)


@dataclass
class TestCloud:
    __test__ = False
    url: str
    parts: CloudParts
    stack: AsyncExitStack
    valkey_url: str

    def token(
        self, role: Role = "admin", organization: str = "default", *, every: bool = False, user: str = "tester", ttl: float = 900
    ) -> str:
        return Tokens(SECRET, self.parts.clock).issue(Principal(user, role, organization, every), ttl)

    async def http(self, token: str | None = None) -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        # Nothing goes over TLS: without verify=False each client would read the system's authorities.
        client = httpx.AsyncClient(base_url=self.url, headers=headers, timeout=20, trust_env=False, verify=False)
        return await self.stack.enter_async_context(client)

    async def member(self, role: Role = "admin", organization: str = "default", *, every: bool = False) -> httpx.AsyncClient:
        """A client that is signed in with that role."""
        return await self.http(self.token(role, organization, every=every))

    async def browser(self, token: str) -> Browser:
        browser = Browser(socketio.AsyncClient(reconnection=False))
        browser.client.on("*", lambda event, data: browser.heard.append((event, data)))
        await browser.client.connect(self.url, auth={"token": token}, transports=["websocket"], wait_timeout=5)
        self.stack.push_async_callback(browser.client.disconnect)
        return browser

    async def user(self, name: str, role: Role = "admin", organization: str = "default", *, every: bool = False) -> None:
        async with self.parts.pool.acquire() as connection:
            await add_user(connection, name, PASSWORD, role, organization, all_organizations=every)

    async def organization(self, name: str) -> None:
        await self.parts.pool.execute("insert into registry.organizations (id, name) values ($1, $1)", name)

    async def device(
        self, name: str, organization: str = "default", kind: devices.Kind = "device", device_type: str = PUMP.key
    ) -> str:
        async with self.parts.pool.acquire() as connection:
            assert await devices.insert(connection, name, f"key of {name}", device_type, "Acme", organization, kind)
        return name

    @asynccontextmanager
    async def heard(self, channel: str, subjects: "asyncio.Queue[str]") -> AsyncIterator[None]:
        """Another process that hears the signals of a channel."""
        other = ValkeySignals(self.valkey_url)
        other.on(channel, subjects.put_nowait)
        await other.start()
        try:
            yield
        finally:
            await other.stop()

    async def readings(self, device: str, measurement: str, values: Mapping[datetime, float] | Iterable[float]) -> None:
        """Rows as ingest leaves them; without times they are one second apart and end now."""
        if not isinstance(values, Mapping):
            listed, now = list(values), datetime.now(UTC).timestamp()
            values = {datetime.fromtimestamp(now - len(listed) + i, UTC): v for i, v in enumerate(listed, 1)}
        pool = self.parts.telemetry_pool
        await pool.execute("create table if not exists telemetry.telemetry_rest partition of telemetry.telemetry default")
        await pool.executemany(
            "insert into telemetry.telemetry (device_id, timestamp, measurement, value) values ($1, $2, $3, $4)",
            [(device, at, measurement, value) for at, value in values.items()],
        )
        await pool.execute(
            """insert into telemetry.rollup_dirty (level, writer, device_id, bucket)
               select 0, 0, $1, bucket from unnest($2::timestamptz[]) bucket""",
            device, sorted({at.replace(second=0, microsecond=0) for at in values}),
        )  # fmt: skip


async def _status() -> dict[str, Any]:
    return {"ready": True, "services": {}, "disk": {"used": 1, "free": 2, "days_left": None}, "version": "test"}


@asynccontextmanager
async def running_cloud(
    pki: Pki,
    dsn: str,
    valkey_url: str,
    *,
    types: Mapping[str, DeviceType] | None = None,
    clock: Callable[[], float] = time.time,
    **changes: Any,
) -> AsyncIterator[TestCloud]:
    """Serves on a free port of loopback.

    Args:
        changes: parts to replace.
    """
    async with AsyncExitStack() as stack:
        parts = await _parts(stack, pki, dsn, valkey_url, types or {PUMP.key: PUMP}, clock)
        parts = replace(parts, **changes)
        port = await _serve(stack, parts)
        cloud = TestCloud(f"http://127.0.0.1:{port}", parts, await stack.enter_async_context(AsyncExitStack()), valkey_url)
        yield cloud


async def _parts(
    stack: AsyncExitStack, pki: Pki, dsn: str, valkey_url: str, types: Mapping[str, DeviceType], clock: Callable[[], float]
) -> CloudParts:
    pool = await make_pool(dsn, name="test cloud")
    stack.push_async_callback(pool.close)
    redis = connect(valkey_url)
    stack.push_async_callback(redis.aclose)
    cache = ShadowCache(redis, pool)
    cache.start()
    stack.push_async_callback(cache.stop)
    bus, signals = ValkeyBus(valkey_url, name="test-cloud"), ValkeySignals(valkey_url)
    return CloudParts(
        pool=pool,
        telemetry_pool=pool,
        bus=bus,
        signals=signals,
        history=History(pool, LatestStore(redis, pool)),
        shadow=ShadowService(pool, cache, bus, signals, types),
        archive=Archive(pool),
        commands=CommandService(pool, signals, bus, types),
        authority=pki.authority,
        jwt_secret=SECRET,
        dashboard=Path("/nonexistent"),
        mqtt_host="localhost",
        mqtt_port=8883,
        status=_status,
        retention_days=RETENTION_DAYS,
        types=types,
        clock=clock,
    )


async def _serve(stack: AsyncExitStack, parts: CloudParts) -> int:
    stop, listening = asyncio.Event(), asyncio.get_running_loop().create_future()
    serving = serve(create_app(parts), "127.0.0.1", 0, stop, listening.set_result, parts.commands.end_waits)
    task = asyncio.create_task(serving, name="test-cloud")

    async def end() -> None:
        stop.set()
        await task

    stack.push_async_callback(end)
    await asyncio.wait({task, listening}, return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        await task
    return int(await listening)
