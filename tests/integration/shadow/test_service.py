"""The shadow as the API sees it."""

import asyncio
from typing import Any

import pytest

from iotsphere.errors import InvalidInput, PreconditionFailed, StoreUnavailable
from iotsphere.infra.postgres import make_pool
from iotsphere.signals import MemorySignals
from shadow.cache import ShadowCache
from shadow.document import decode
from shadow.service import ShadowService
from tests.integration.shadow.parts import Cloud, Edge, listening_bus, make_cloud, target

pytestmark = pytest.mark.integration


async def test_what_is_desired_is_read_back_wakes_edge_and_is_told_on_the_bus(cloud: Cloud, pool: Any) -> None:
    assert await cloud.service.get("d1") is None
    view = await cloud.desire({"setpoint": 50, "mode": "eco"})
    assert view.state == {"desired": {"setpoint": 50, "mode": "eco"}, "delta": {"setpoint": 50, "mode": "eco"}}
    assert await cloud.service.get("d1") == view
    assert cloud.woken == ["d1"]
    [event] = cloud.events
    assert (event.device, event.organization, event.version, event.delta) == ("d1", "default", 1, {"setpoint": 50, "mode": "eco"})
    assert await pool.fetchval("select actor from shadow.revisions") == "ann"


async def test_a_version_holds_while_desired_is_untouched(cloud: Cloud, edge: Edge) -> None:
    seen = await cloud.desire({"a": 1})
    await edge.request("update", {"state": {"reported": {"a": 1}}})
    later = await cloud.desire({"a": 2}, seen=seen.version)
    assert later.version == 3
    for stale in (1, 2, 4):
        with pytest.raises(PreconditionFailed):
            await cloud.desire({"a": 3}, seen=stale)
    assert (await cloud.desire({"a": None}, seen=3)).state == {"reported": {"a": 1}}


async def test_too_deep_or_too_large_names_the_field(cloud: Cloud) -> None:
    with pytest.raises(InvalidInput, match="desired"):
        await cloud.desire({"a": [None]})
    with pytest.raises(InvalidInput, match="32768"):
        await cloud.desire({"a": "x" * 40_000})


async def test_two_processes_write_at_once_and_lose_nothing(pool: Any, redis: Any, cloud: Cloud, edge: Edge) -> None:
    async with make_cloud(pool, redis) as second:
        jobs = [service.desire({f"k{n}": n}) for n in range(20) for service in (cloud, second)]
        jobs += [edge.request("update", {"state": {"reported": {f"r{n}": n}}}) for n in range(20)]  # type: ignore[misc]
        await asyncio.gather(*jobs)
        found = await second.service.get("d1")
    assert found is not None
    stored = await pool.fetchrow("select version, desired, reported from shadow.documents")
    assert stored["version"] == 60
    assert decode(stored["desired"]) == {f"k{n}": n for n in range(20)}
    assert decode(stored["reported"]) == {f"r{n}": n for n in range(20)}


async def test_an_absent_store_is_said_so(migrated_dsn: str, redis: Any) -> None:

    pool = await make_pool(migrated_dsn, name="test")
    service = ShadowService(pool, ShadowCache(redis, pool), listening_bus([]), MemorySignals(), {})
    await pool.close()
    with pytest.raises(StoreUnavailable):
        await service.get("d1")
    with pytest.raises(StoreUnavailable):
        await service.update_desired(target(), {"a": 1}, actor="ann")
