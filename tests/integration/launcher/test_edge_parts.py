"""The parts of `edge` on real servers."""

import asyncio
import time
from contextlib import AsyncExitStack

import asyncpg
import pytest
from structlog.testing import capture_logs

from launcher.edge import run_edge
from launcher.edge_parts import answers, open_pools
from tests.support.edge import edge_options, running_edge
from tests.support.pki import Pki
from tests.support.servers import free_port

pytestmark = pytest.mark.integration


async def test_a_long_transaction_on_one_pool_leaves_the_others_free(pki: Pki, migrated_dsn: str, valkey_url: str) -> None:
    async with AsyncExitStack() as stack:
        pools = await open_pools(edge_options(pki, migrated_dsn, valkey_url, pki.directory), stack)
        for _ in range(pools.telemetry.get_max_size()):
            await pools.telemetry.acquire()
        assert not await answers(pools.telemetry)
        assert await answers(pools.shadow)
        assert await answers(pools.shadow)


async def test_a_server_that_is_away_is_told_within_a_second(pki: Pki, valkey_url: str) -> None:
    dsn = f"postgresql://nobody:none@127.0.0.1:{free_port()}/none"
    async with AsyncExitStack() as stack:
        pools = await open_pools(edge_options(pki, dsn, valkey_url, pki.directory), stack)
        began = time.monotonic()
        assert not await answers(pools.registry)
        assert time.monotonic() - began < 1.5


async def test_a_database_that_may_lose_what_was_acknowledged_is_called_out(pki: Pki, migrated_dsn: str, valkey_url: str) -> None:
    with capture_logs() as logs:
        async with running_edge(pki, migrated_dsn + "?synchronous_commit=off", valkey_url):
            await asyncio.sleep(0)
    # The tests' own server runs without the other two.
    assert [entry["off"] for entry in logs if entry["log_level"] == "error"] == [
        ["fsync", "synchronous_commit", "full_page_writes"]
    ]


async def test_a_stop_while_postgres_is_away_is_obeyed(pki: Pki, valkey_url: str) -> None:
    stop = asyncio.Event()
    dsn = f"postgresql://nobody:none@127.0.0.1:{free_port()}/none"
    running = asyncio.create_task(run_edge(edge_options(pki, dsn, valkey_url, pki.directory), stop))
    await asyncio.sleep(0.5)
    assert not running.done()
    stop.set()
    async with asyncio.timeout(5):
        await running


async def test_nothing_stays_connected_after_a_stop(pki: Pki, migrated_dsn: str, valkey_url: str) -> None:
    async with running_edge(pki, migrated_dsn, valkey_url):
        pass
    connection = await asyncpg.connect(migrated_dsn)
    others = "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
    async with asyncio.timeout(5):
        while await connection.fetchval(others):  # noqa: ASYNC110 - a backend takes a moment to notice
            await asyncio.sleep(0.05)
    await connection.close()
