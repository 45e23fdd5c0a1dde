"""The command service as `cloud` and `edge` build it, on a real PostgreSQL."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from iotsphere.infra.postgres import Pool
from tests.integration.commands.parts import Parts, make_parts
from tests.support.deliveries import add_devices


@pytest.fixture
async def pool(pool: Pool) -> Pool:
    """With some devices."""
    await add_devices(pool, "d1", "d2")
    return pool


@pytest.fixture
async def parts(pool: Any) -> AsyncIterator[Parts]:
    async with make_parts(pool) as parts:
        yield parts
