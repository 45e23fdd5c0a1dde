"""A pool on a database with all tables."""

from collections.abc import AsyncIterator

import pytest

from iotsphere.infra.postgres import Pool, make_pool


@pytest.fixture
async def pool(migrated_dsn: str) -> AsyncIterator[Pool]:
    made = await make_pool(migrated_dsn, name="test")
    yield made
    await made.close()
