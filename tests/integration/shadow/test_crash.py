"""kill -9 at every step of an update: what was committed is not lost, and Redis serves nothing that PostgreSQL does not know."""

import asyncio
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from shadow.cache import ShadowCache
from tests.integration.shadow.dying import STEPS, WISH
from tests.integration.shadow.parts import Cloud, Edge, make_cloud, make_edge
from tests.support.deliveries import record
from tests.support.waiting import until

pytestmark = pytest.mark.integration
ROOT = Path(__file__).parents[3]
CASES = [(role, step) for role in ("edge", "cloud") for step in STEPS if (role, step) != ("cloud", "after the delta")]


async def die(dsn: str, url: str, role: str, step: str) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.integration.shadow.dying", dsn, url, role, step, cwd=ROOT, stdout=asyncio.subprocess.DEVNULL
    )
    assert await asyncio.wait_for(process.wait(), 60) == -signal.SIGKILL


@pytest.mark.parametrize(("role", "step"), CASES)
async def test_after_a_kill(pool: Any, redis: Any, migrated_dsn: str, valkey_url: str, role: str, step: str) -> None:
    await die(migrated_dsn, valkey_url, role, step)
    committed = await pool.fetchval("select version from shadow.documents")
    assert committed == (1 if step == "before the commit" else 2)
    assert int(await redis.hget("device:{d1}:shadow", "version")) <= committed
    survivor = await ShadowCache(redis, pool).get(("d1", ""))  # of a process that goes on as if nothing had happened
    assert survivor is not None
    assert survivor.version == committed
    async with make_edge(pool, redis) as edge, make_cloud(pool, redis) as cloud:
        if step == "before the commit":
            await edge.request("update", {"state": {"desired": WISH}})  # it was never acknowledged, so it comes again
        await everybody_knows(pool, edge, cloud)


async def everybody_knows(pool: Any, edge: Edge, cloud: Cloud) -> None:
    """The device, the readers of both processes, Redis and the outbox are at version 2."""
    edge.announcer.on_subscribed(record("d1"), 2, "iot/v1/d1/#")  # it has lost its connection, and comes back
    delta = (await edge.sender.wait_for("/shadow/update/delta"))[-1]
    assert (delta.body["state"], delta.body["version"]) == (WISH, 2)
    for cache in (edge.cache, cloud.cache):
        found = await cache.get(("d1", ""))
        assert found is not None
        assert (found.version, found.desired, found.reported) == (2, WISH, {"a": 1})
    await until(lambda: not edge.cache.behind and not cloud.cache.behind, 20)
    assert await edge.cache.repair() == 0
    await until(lambda: pool.fetchval("select announced_version = 2 from shadow.documents"), 20)
    assert await pool.fetchval("select array_agg(version order by version) from shadow.revisions") == [1, 2]
