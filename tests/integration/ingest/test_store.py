"""Rows that cannot be stored, and a server that goes away."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from ingest.batch import Batch, Row, Rows, letter, moment_of
from ingest.metrics import IngestMetrics
from ingest.partitions import Partitions
from ingest.store import STAGING_BATCHES, Store
from iotsphere.infra.postgres import make_pool
from tests.support import servers
from tests.support.devices import delivery, thermometer
from tests.support.ingest import now_ms, running_ingest

pytestmark = pytest.mark.integration
DAY_MS = 86_400_000


@asynccontextmanager
async def store(dsn: str, metrics: IngestMetrics) -> AsyncIterator[tuple[Store, "asyncpg.Pool[asyncpg.Record]"]]:
    pool = await make_pool(dsn, name="test", high=3)
    partitions = Partitions(pool, 30)
    await partitions.load()
    made = Store(dsn, partitions, metrics)
    yield made, pool
    await made.close()
    await pool.close()


def batch(*values: tuple[str, object], doubtful: bool = False) -> Batch:
    """One message a value; what validation would have refused is let through."""
    ts = now_ms()
    rows = Rows()
    for name, value in values:
        row: Row = ("t-1", moment_of(ts * 1000), name, value, None)  # type: ignore[assignment]
        rows.add([row], delivery(name.encode(errors="replace"), device=thermometer()))
    return Batch(Rows() if doubtful else rows, rows if doubtful else Rows(), [], {ts // DAY_MS})


@pytest.mark.parametrize("doubtful", [False, True])
@pytest.mark.parametrize(("name", "value"), [("nul\0", 1.0), ("surrogate\ud800", 1.0), ("text", "warm"), ("huge", 10**400)])
async def test_a_row_that_cannot_be_stored_is_alone_in_the_dead_letters(
    migrated_dsn: str, doubtful: bool, name: str, value: object
) -> None:
    metrics = IngestMetrics()
    async with store(migrated_dsn, metrics) as (it, pool):
        good = [(f"m{n}", float(n)) for n in range(50)]
        made = batch(*good[:30], (name, value), *good[30:], doubtful=doubtful)
        made.letters.append(letter(delivery(b""), "odd\0", "validation", "nul \0 and half a pair \ud800"))
        outcome = await it.store(made)
        assert sum(map(len, outcome.rows)) == 50
        stored = await pool.fetch("select measurement, value from telemetry.telemetry")
        assert sorted((r["measurement"], r["value"]) for r in stored) == sorted(good)
        letters = await pool.fetch("select category, payload from telemetry.dead_letters order by category")
        assert [(r["category"], r["payload"]) for r in letters] == [("store", name.encode(errors="replace")), ("validation", b"")]
        assert metrics.split._value.get() <= 8
        await it.store(batch(("after", 1.0)))
        assert await pool.fetchval("select count(*) from telemetry.telemetry") == 51


async def test_after_a_violation_copy_is_tried_again_later(migrated_dsn: str) -> None:
    metrics = IngestMetrics()
    async with store(migrated_dsn, metrics) as (it, _):
        await it.store(batch(("a", 1.0)))
        await it.store(batch(("a", 1.0)))
        for n in range(STAGING_BATCHES + 5):
            await it.store(batch((f"b{n}", 1.0)))
        assert metrics.staged._value.get() == STAGING_BATCHES


@pytest.mark.slow
async def test_nothing_is_lost_when_postgresql_is_killed_in_the_middle_of_commits(
    own_postgres: servers.PostgresServer, valkey_url: str
) -> None:
    dsn = own_postgres.engine.admin_dsn
    start = now_ms() - 3_600_000
    committed: list[int] = []
    async with running_ingest(dsn, valkey_url) as it:
        running = True

        async def send(first: int) -> None:
            number = first
            while running:
                sent = [delivery({"ts": start + number + k * 2, "values": {"temperature": 1, "pulses": k}}) for k in range(50)]
                await it.pipeline.commit(sent)
                committed.extend(number + k * 2 for k in range(50))
                number += 100

        tasks = [asyncio.create_task(send(n)) for n in (0, 1)]
        for _ in range(3):
            await asyncio.sleep(0.4)
            before = len(committed)
            await asyncio.to_thread(own_postgres.kill)
            await asyncio.sleep(0.3)
            await asyncio.to_thread(own_postgres.restart_after_kill)
            async with asyncio.timeout(20):
                while len(committed) <= before + 200:  # noqa: ASYNC110 - what is awaited is progress
                    await asyncio.sleep(0.05)
        running = False
        await asyncio.wait_for(asyncio.gather(*tasks), 20)
        rows = await it.rows()
        assert rows.keys() == {(float(start + n), m) for n in committed for m in ("temperature", "pulses")}
        assert await it.letters() == [], "what was sent again is no conflict"


@pytest.mark.slow
async def test_a_start_without_postgresql_waits_for_it(own_postgres: servers.PostgresServer, valkey_url: str) -> None:
    dsn = own_postgres.engine.admin_dsn
    async with running_ingest(dsn, valkey_url) as it:
        await asyncio.to_thread(own_postgres.stop)
        waiting = asyncio.create_task(
            it.pipeline.commit([delivery({"boot": "b", "up": 1, "values": {"humidity": 1}}, received_at=now_ms())])
        )
        starting = asyncio.create_task(it.pipeline.start())
        await asyncio.sleep(0.5)
        assert not waiting.done()
        assert not starting.done()
        await asyncio.to_thread(own_postgres.start)
        await asyncio.wait_for(asyncio.gather(waiting, starting), 20)
        assert await it.count() == 1
