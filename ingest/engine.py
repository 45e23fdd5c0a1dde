"""The telemetry store's two engines: which one a database has, and what both can be asked.

``native``: daily partitions and rollups of our own. ``timescale``: a hypertable with continuous aggregates. Both have the same
tables and columns, so whoever writes need not know which it is. tests/contract/test_engines.py holds both to one behaviour.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, Protocol

import structlog

from ingest import retention_table, timescale_table
from ingest.rollup_reads import NativeRollups
from ingest.rollups import Buckets
from ingest.timescale_reads import TimescaleRollups
from iotsphere.infra.postgres import Connection, Pool

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Engine:
    """Which engine, and why."""

    name: Literal["native", "timescale"]
    why: str


class RollupReads(Protocol):
    """Reads of rollups. They agree with the readings that are committed, late and repeated ones included, at every moment;
    with ``timescale`` late ones count from the next refresh on. Raises what asyncpg raises."""

    async def rollups(
        self, devices: Sequence[str], measurements: Sequence[str] | None, start: datetime, end: datetime, step: timedelta
    ) -> Mapping[str, Mapping[str, Buckets]]:
        """Buckets by device and measurement over [start, end); None means all measurements.

        Args:
            step: one of rollups.STEPS. The first and the last bucket hold only what lies in [start, end).
        """

    async def together(
        self, devices: Sequence[str], measurement: str, start: datetime, end: datetime, step: timedelta
    ) -> Buckets:
        """The same of many devices put together: count, sum, lowest, highest and sources of each bucket."""


async def engine_of(connection: Connection) -> Engine:
    """The engine that a database has; ``prepare`` may give it another one while it is empty."""
    if not await timescale_table.installed(connection):
        offered = await timescale_table.offered(connection)
        why = "is offered by the server, but not installed in the database" if offered else "is not offered by this server"
        return Engine("native", f"the extension timescaledb {why}")
    if await timescale_table.is_hypertable(connection):
        return Engine("timescale", "the extension timescaledb is installed, and the readings are in a hypertable")
    return Engine("native", "the extension timescaledb is installed, but readings are in daily partitions already")


async def prepare(connection: Connection, raw_days: int) -> Engine:
    """Give an empty store the engine that the server has; run by `up` after the migrations, and harmless when done again."""
    installed = await timescale_table.installed(connection)
    if not installed and await timescale_table.offered(connection) and await timescale_table.preloaded(connection):
        await timescale_table.install(connection)
        installed = True
    if installed and not await timescale_table.is_hypertable(connection) and not await timescale_table.holds_readings(connection):
        await timescale_table.make(connection)
    engine = await engine_of(connection)
    if engine.name == "timescale":
        retention = await retention_table.read(connection, raw_days)
        await timescale_table.catch_up(connection, retention.raw)
        await timescale_table.set_policies(connection, retention.raw, retention.levels)
    return engine


class EngineRollups:
    """RollupReads of the engine that the database turns out to have at the first read."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._reads: RollupReads | None = None

    async def rollups(
        self, devices: Sequence[str], measurements: Sequence[str] | None, start: datetime, end: datetime, step: timedelta
    ) -> Mapping[str, Mapping[str, Buckets]]:
        """See RollupReads."""
        return await (await self._chosen()).rollups(devices, measurements, start, end, step)

    async def together(
        self, devices: Sequence[str], measurement: str, start: datetime, end: datetime, step: timedelta
    ) -> Buckets:
        """See RollupReads."""
        return await (await self._chosen()).together(devices, measurement, start, end, step)

    async def _chosen(self) -> RollupReads:
        if self._reads is None:
            async with self._pool.acquire() as connection:
                engine = await engine_of(connection)
            self._reads = TimescaleRollups(self._pool) if engine.name == "timescale" else NativeRollups(self._pool)
        return self._reads
