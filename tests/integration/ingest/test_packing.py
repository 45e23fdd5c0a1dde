"""The index of a day that has ended is rebuilt while readers and writers go on."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest
import structlog

from ingest import packing
from ingest.batch import Batch, Row, Rows, moment_of
from ingest.disk_guard import DiskGuard, Usage
from ingest.metrics import IngestMetrics
from ingest.packing import Packer
from ingest.partitions import Partitions
from ingest.periods import RAW
from ingest.store import Store
from iotsphere.infra.postgres import Pool
from tests.support.devices import delivery, thermometer
from tests.support.ingest import running_ingest
from tests.support.waiting import until

pytestmark = pytest.mark.integration
TODAY = int(time.time() // 86_400)
ENDED = TODAY - 3
INDEX = f"telemetry.{RAW.name(ENDED)}_pkey"
DEVICES, EACH = 40, 500
ROWS = DEVICES * EACH


@pytest.fixture
async def filled(pool: Pool) -> Pool:
    """A day that has ended, and today, each with readings of many devices in the order in which they came."""
    partitions = Partitions(pool, 30)
    await partitions.load()
    await partitions.ensure([ENDED])
    for day in (ENDED, TODAY):
        await fill(pool, day, 0, EACH)
    return pool


async def fill(pool: Pool, day: int, first: int, count: int) -> None:
    await pool.execute(
        "insert into telemetry.telemetry select 'device-' || d, to_timestamp($1 + n), 'm', n, null "
        "from generate_series($2::int, $3::int - 1) n, generate_series(1, $4) d",
        day * 86_400, first, first + count, DEVICES,
    )  # fmt: skip


def packer(dsn: str, metrics: IngestMetrics | None = None, guard: DiskGuard | None = None) -> Packer:
    return Packer(dsn, guard, metrics or IngestMetrics())


async def size(pool: Pool, index: str = INDEX) -> int:
    return int(await pool.fetchval("select pg_relation_size($1::regclass)", index))


async def invalid(pool: Pool) -> int:
    return int(await pool.fetchval("select count(*) from pg_index where not indisvalid"))


async def in_phase(pool: Pool, phase: str) -> bool:
    return bool(
        await pool.fetchval(
            "select true from pg_stat_progress_create_index where datname = current_database() and phase = $1", phase
        )
    )


@asynccontextmanager
async def a_reader_of_long_ago(dsn: str) -> AsyncIterator[None]:
    """A transaction whose snapshot the rebuilding waits for before it puts the new index in the place of the old one."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute("begin isolation level repeatable read; select count(*) from telemetry.telemetry")
        yield
    finally:
        await connection.close()


async def test_a_day_that_has_ended_is_packed_once_and_again_after_a_late_flood(migrated_dsn: str, filled: Pool) -> None:
    metrics = IngestMetrics()
    before, today = await size(filled), f"telemetry.{RAW.name(TODAY)}_pkey"
    today_before = await size(filled, today)
    with structlog.testing.capture_logs() as logs:
        assert await packer(migrated_dsn, metrics).turn() == 1
    after = await size(filled)
    assert after < before * 0.7
    assert metrics.packed_bytes._value.get() == before - after
    assert [(log["index"], log["before"], log["after"]) for log in logs] == [(INDEX.split(".")[1], before, after)]
    assert await size(filled, today) == today_before
    assert await packer(migrated_dsn).turn() == 0
    await fill(filled, ENDED, EACH, EACH)
    assert await packer(migrated_dsn).turn() == 1
    assert await packer(migrated_dsn).turn() == 0
    assert await filled.fetchval("select count(*) from telemetry.telemetry") == 3 * ROWS


async def test_writers_go_on_while_an_index_is_rebuilt(migrated_dsn: str, filled: Pool) -> None:
    partitions = Partitions(filled, 30)
    await partitions.load()
    store = Store(migrated_dsn, partitions, IngestMetrics())
    async with a_reader_of_long_ago(migrated_dsn):
        rebuilding = asyncio.create_task(packer(migrated_dsn).turn())
        await until(lambda: in_phase(filled, "waiting for old snapshots"), 30)
        stored = await asyncio.wait_for(store.store(batch(fresh=[late(1, 1.0), late(2, 2.0)])), 10)
        assert sum(map(len, stored.rows)) == 2
        again = await asyncio.wait_for(store.store(batch(fresh=[late(3, 3.0)], doubtful=[late(1, 1.0), late(2, -2.0)])), 10)
        assert sum(map(len, again.rows)) == 2
        assert [letter.category for letter in again.letters] == ["conflict"]
        assert not rebuilding.done()
    assert await rebuilding == 1
    await store.close()
    found = await filled.fetch(
        "select value from telemetry.telemetry where device_id = 't-1' and measurement = 'late' order by timestamp"
    )
    assert [row["value"] for row in found] == [1.0, 2.0, 3.0]
    assert await invalid(filled) == 0


async def test_what_an_interrupted_packing_leaves_is_dropped_by_the_next(
    migrated_dsn: str, filled: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packing, "FIRST_SECONDS", 0.0)
    before, interrupted = await size(filled), packer(migrated_dsn)
    async with a_reader_of_long_ago(migrated_dsn):
        interrupted.start()
        await until(lambda: in_phase(filled, "waiting for old snapshots"), 30)
        await interrupted.stop()
        await until(lambda: _nobody_packs(filled), 10)
        assert await invalid(filled) == 1
        assert await size(filled) == before
    assert await packer(migrated_dsn).turn() == 1
    assert await invalid(filled) == 0
    assert await size(filled) < before * 0.7


async def test_of_two_processes_one_packs(migrated_dsn: str, filled: Pool) -> None:
    async with a_reader_of_long_ago(migrated_dsn):
        first = asyncio.create_task(packer(migrated_dsn).turn())
        await until(lambda: in_phase(filled, "waiting for old snapshots"), 30)
        assert await asyncio.wait_for(packer(migrated_dsn).turn(), 10) == 0
        assert await invalid(filled) == 1, "what the first one builds is not taken for a leftover"
    assert await first == 1


async def test_ingest_packs_by_itself(migrated_dsn: str, filled: Pool, valkey_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "FIRST_SECONDS", 0.0)
    before = await size(filled)
    async with running_ingest(migrated_dsn, valkey_url):
        await until(lambda: _is_smaller(filled, before), 20)


async def test_without_room_nothing_is_packed(migrated_dsn: str, filled: Pool, tmp_path: Path) -> None:
    usage = Usage(1 << 30, (1 << 30) - (161 << 20), 161 << 20)
    guard = DiskGuard(tmp_path, usage=lambda _: usage)
    await guard.look()
    assert await packer(migrated_dsn, guard=guard).turn() == 0
    usage = Usage(1 << 30, 0, 1 << 30)
    await guard.look()
    assert await packer(migrated_dsn, guard=guard).turn() == 1


async def _is_smaller(pool: Pool, before: int) -> bool:
    return await size(pool) < before


async def _nobody_packs(pool: Pool) -> bool:
    query = "select count(*) from pg_stat_activity where application_name = 'iotsphere packing' and datname = current_database()"
    return int(await pool.fetchval(query)) == 0


def late(second: int, value: float) -> Row:
    moment = datetime.fromtimestamp(ENDED * 86_400, UTC) + timedelta(seconds=second)
    return "t-1", moment_of(round(moment.timestamp() * 1e6)), "late", value, None


def batch(fresh: list[Row], doubtful: list[Row] | None = None) -> Batch:
    sets = []
    for rows in (fresh, doubtful or []):
        made = Rows()
        for row in rows:
            made.add([row], delivery(b"", device=thermometer()))
        sets.append(made)
    return Batch(*sets, days={ENDED})
