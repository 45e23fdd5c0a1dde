"""The command service as `cloud` and `edge` build it, on a real PostgreSQL."""

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from iotsphere.infra.postgres import make_pool
from tests.integration.commands.parts import Parts, make_parts
from tests.support.deliveries import add_devices


@pytest.fixture
async def pool(migrated_dsn: str) -> "AsyncIterator[asyncpg.Pool[asyncpg.Record]]":
    pool = await make_pool(migrated_dsn, name="test", high=6)
    await add_devices(pool, "d1", "d2")
    yield pool
    await pool.close()


@pytest.fixture
async def parts(pool: Any) -> AsyncIterator[Parts]:
    async with make_parts(pool) as parts:
        yield parts
