"""A running cloud with one device of each of two organizations."""

from collections.abc import AsyncIterator

import pytest

from tests.support.cloud import TestCloud, running_cloud
from tests.support.pki import Pki


@pytest.fixture
async def cloud(pki: Pki, migrated_dsn: str, valkey_url: str) -> AsyncIterator[TestCloud]:
    async with running_cloud(pki, migrated_dsn, valkey_url) as running:
        yield running
