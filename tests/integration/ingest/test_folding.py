"""The task beside the commits that keeps the accounts."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from ingest import arrivals_table, folding, sequences_table
from ingest.arrivals import Arrivals
from ingest.folding import Folding
from ingest.ledger import SEPARATOR
from ingest.metrics import IngestMetrics
from iotsphere.infra.postgres import Pool, make_pool
from tests.support import servers

pytestmark = pytest.mark.integration


def arrived(first: int, last: int) -> Arrivals:
    return Arrivals(keys=[SEPARATOR.join(("default", "d", "0", "b"))], firsts=[first], lasts=[last], newest=[1])


@asynccontextmanager
async def running(dsn: str) -> AsyncIterator[tuple[Folding, Pool]]:
    pool = await make_pool(dsn, name="test", high=3)
    made = Folding(pool, IngestMetrics())
    await made.start()
    try:
        yield made, pool
    finally:
        await made.stop()
        await pool.close()


async def commit(made: Folding, pool: Pool, arrivals: Arrivals) -> None:
    with made.without(arrivals):
        await pool.execute(arrivals_table.insertion(arrivals))


async def received(pool: Pool, wanted: int, seconds: float) -> float:
    """How long it took until so much is in the accounts."""
    began = time.monotonic()
    async with asyncio.timeout(seconds):
        while (await sequences_table.totals(pool, None)).received != wanted:  # noqa: ASYNC110 - another process writes it
            await asyncio.sleep(0.05)
    return time.monotonic() - began


async def test_what_arrives_is_in_the_accounts_a_moment_later_and_idleness_asks_nothing(migrated_dsn: str) -> None:
    async with running(migrated_dsn) as (made, pool):
        await commit(made, pool, arrived(1, 10))
        await commit(made, pool, arrived(11, 20))
        assert await received(pool, 20, 5) >= 0.5 * folding.SHORTEST_PAUSE, "several batches are folded in one"
        assert await pool.fetchval("select count(*) from telemetry.arrivals") == 0
        await pool.execute(arrivals_table.insertion(arrived(21, 30)))  # another process's
        await asyncio.sleep(2 * folding.SHORTEST_PAUSE)
        assert (await sequences_table.totals(pool, None)).received == 20
        await commit(made, pool, arrived(31, 31))
        await received(pool, 31, 5)


async def test_more_than_fits_into_one_fold(migrated_dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sequences_table, "FOLDED", 3)
    async with running(migrated_dsn) as (made, pool):
        for n in range(10):
            await pool.execute(arrivals_table.insertion(arrived(n, n)))
        await made.turn()
        assert (await sequences_table.totals(pool, None)).received == 10


async def test_a_stop_does_not_wait_for_the_pause(migrated_dsn: str) -> None:
    async with running(migrated_dsn) as (made, pool):
        await commit(made, pool, arrived(1, 1))
        began = time.monotonic()
        await made.stop()
        assert time.monotonic() - began < folding.SHORTEST_PAUSE / 2


@pytest.mark.slow
async def test_a_server_that_goes_away_delays_the_accounts_and_loses_nothing_of_them(
    own_postgres: servers.PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folding, "AGAIN_SECONDS", 0.5)
    async with running(own_postgres.engine.admin_dsn) as (made, pool):
        await commit(made, pool, arrived(1, 10))
        await asyncio.to_thread(own_postgres.kill)
        await asyncio.sleep(2 * folding.SHORTEST_PAUSE)
        await asyncio.to_thread(own_postgres.restart_after_kill)
        await received(pool, 10, 15)
