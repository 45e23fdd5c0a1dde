"""A telemetry pipeline on real servers, and what is in its tables."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import asyncpg
import redis.asyncio

from ingest.disk_guard import DiskGuard
from ingest.latest import LatestStore
from ingest.metrics import IngestMetrics
from ingest.pipeline import TelemetryPipeline
from ingest.sequences_table import AccountRow, list_accounts
from iotsphere.bus import MemoryBus
from iotsphere.events import DEVICE_TELEMETRY, DEVICE_UPDATE, Event
from iotsphere.infra.postgres import make_pool
from tests.support.devices import TYPES

if TYPE_CHECKING:
    Pool = asyncpg.Pool[asyncpg.Record]


def now_ms() -> int:
    """A moment that every window takes, in whole seconds."""
    return int(time.time()) * 1000 - 10_000


@dataclass
class TestIngest:
    __test__ = False
    pipeline: TelemetryPipeline
    pool: "Pool"
    latest: LatestStore
    metrics: IngestMetrics
    events: list[Event]

    async def rows(self, device: str = "t-1") -> dict[tuple[float, str], float]:
        """Value by (ts ms, measurement)."""
        found = await self.pool.fetch(
            "select extract(epoch from timestamp)::float8 * 1000 as ts, measurement, value from telemetry.telemetry "
            "where device_id = $1",
            device,
        )
        return {(row["ts"], row["measurement"]): row["value"] for row in found}

    async def count(self) -> int:
        return int(await self.pool.fetchval("select count(*) from telemetry.telemetry"))

    async def accounts(self, device: str = "t-1", organization: str = "default") -> list[AccountRow]:
        """The accounts of sequence numbers as of now, newest first."""
        await self.pipeline._folding.turn()
        return await list_accounts(self.pool, device, organization, 100)

    async def letters(self) -> list[tuple[Any, ...]]:
        """(device, measurement, category) of each dead letter."""
        return [
            tuple(r)
            for r in await self.pool.fetch("select device_id, measurement, category from telemetry.dead_letters order by id")
        ]


@asynccontextmanager
async def running_ingest(dsn: str, valkey_url: str, *, guard: DiskGuard | None = None) -> AsyncIterator[TestIngest]:
    pool = await make_pool(dsn, name="test", high=4)
    client = redis.asyncio.Redis.from_url(valkey_url)
    latest, bus, metrics, events = LatestStore(client, pool), MemoryBus(), IngestMetrics(), []

    async def hear(event: Event) -> None:
        events.append(event)

    for topic in (DEVICE_TELEMETRY, DEVICE_UPDATE):
        bus.subscribe(topic, hear)
    pipeline = TelemetryPipeline(dsn, pool, TYPES, bus, latest, retention_days=30, guard=guard, metrics=metrics)
    await latest.start()
    await pipeline.start()
    try:
        yield TestIngest(pipeline, pool, latest, metrics, events)
    finally:
        await pipeline.stop()
        await latest.stop()
        await client.aclose()
        await pool.close()
