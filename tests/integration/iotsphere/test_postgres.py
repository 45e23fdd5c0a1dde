"""Pools on a real server."""

import asyncio

import pytest

from iotsphere.infra.postgres import make_pool
from tests.support.waiting import until

pytestmark = pytest.mark.integration


async def test_whoever_asks_does_not_wait_until_the_connection_is_back(migrated_dsn: str) -> None:
    async with await make_pool(migrated_dsn, name="test", high=1) as pool:
        await pool.fetchval("select 1")
        ended: list[str] = []
        release = type(pool)._released

        def released(self: object, task: "asyncio.Task[None]") -> None:
            ended.append("released")
            release(self, task)  # type: ignore[arg-type]

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(type(pool), "_released", released)
            await pool.fetchval("select 1")
            ended.append("answered")
            await until(lambda: len(ended) == 2)
        assert ended == ["answered", "released"]


async def test_connections_come_back_whatever_becomes_of_a_statement(migrated_dsn: str) -> None:
    async with await make_pool(migrated_dsn, name="test", high=2) as pool:
        assert await asyncio.gather(*(pool.fetchval("select $1::int", n) for n in range(50))) == list(range(50))
        for _ in range(3):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await pool.fetchval("select pg_sleep(10)")
        with pytest.raises(Exception, match="division by zero"):
            await pool.fetchval("select 1 / 0")
        async with pool.acquire() as connection:
            half = connection.transaction()
            await half.start()
            await connection.execute("create table public.half (n int)")
        assert await asyncio.gather(*(pool.fetchval("select to_regclass('public.half')") for _ in range(4))) == [None] * 4


async def test_a_pool_that_is_closed_waits_for_its_connections(migrated_dsn: str) -> None:
    pool = await make_pool(migrated_dsn, name="test", high=2)
    await asyncio.gather(*(pool.fetchval("select 1") for _ in range(4)))
    await asyncio.wait_for(pool.close(), 5)
    assert not [task for task in asyncio.all_tasks() if task.get_name() == "postgres-release"]
