"""One shadow service as `edge` and `cloud` build it, on real servers."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis

from iotsphere.infra.postgres import Pool
from shadow.cache import connect
from tests.integration.shadow.parts import Cloud, Edge, make_cloud, make_edge
from tests.support.deliveries import add_devices


@pytest.fixture
async def pool(pool: Pool) -> Pool:
    """With some devices."""
    await add_devices(pool, "d1", "d2")
    return pool


@pytest.fixture
async def redis(valkey_url: str) -> "AsyncIterator[Redis[Any]]":
    client = connect(valkey_url)
    yield client
    await client.aclose()


@pytest.fixture
async def edge(pool: Any, redis: Any) -> AsyncIterator[Edge]:
    async with make_edge(pool, redis) as edge:
        yield edge


@pytest.fixture
async def cloud(pool: Any, redis: Any) -> AsyncIterator[Cloud]:
    async with make_cloud(pool, redis) as cloud:
        yield cloud
