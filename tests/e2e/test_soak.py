"""Parts of the platform and devices are killed under load, and only its supervisor mends: what was promised is in the table."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
import uvloop

from tests.bench.sdk_kills import Kills
from tests.soak.plan import Plan
from tests.soak.soak import Soak
from tests.support.platform import Platform, platform

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

KILLS = {"edge": 5, "postgres": 1, "valkey": 1}
LEAST_ACKED = 10_000
PRESENCE_S = 10.0


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with platform(tmp_path_factory.mktemp("soak") / "home", demo=False) as made:
        yield made


def test_no_acknowledged_reading_is_missing_after_kills_under_load(running: Platform, tmp_path: Path) -> None:
    outcome = uvloop.run(Soak(running, Plan(seconds=0.0, kills=KILLS), tmp_path / "devices", print).run())
    print(outcome)
    assert Counter(kill.service for kill in outcome.kills) == KILLS
    assert all(kill.flying >= 1000 for kill in outcome.kills)
    found = outcome.comparison
    assert found.acked >= LEAST_ACKED
    assert found.stored >= found.acked
    assert found.lost == 0
    assert found.duplicates == 0
    assert outcome.tracebacks == []
    asyncio.run(nobody_stays_connected(running.dsn))


async def nobody_stays_connected(dsn: str) -> None:
    """All devices have gone: also of those whose `edge` was killed under them, nothing says that they are connected."""
    connection = await asyncpg.connect(dsn)
    try:
        async with asyncio.timeout(PRESENCE_S):
            while await open_sessions(connection):  # noqa: ASYNC110 - written by another process
                await asyncio.sleep(0.1)
    finally:
        await connection.close()


async def open_sessions(connection: "asyncpg.Connection[asyncpg.Record]") -> int:
    """Sessions and presence rows that say connected."""
    found: int = await connection.fetchval(
        "select (select count(*) from registry.sessions where disconnected_at is null)"
        " + (select count(*) from registry.presence where connected)"
    )
    return found


async def test_what_publish_has_taken_outlives_kills_of_the_device_and_of_the_server(running: Platform, tmp_path: Path) -> None:
    outcome = await Kills(running, tmp_path, "d", print).run(3, 2)
    assert (outcome.kills_of_the_device, outcome.kills_of_the_server) == (3, 2)
    assert outcome.published > 100
    assert outcome.lost == 0
