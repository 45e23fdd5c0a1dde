"""The registry in memory against a real database."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from broker import registry_table
from broker.registry_cache import RegistryCache
from iotsphere.errors import StoreUnavailable
from iotsphere.infra.postgres import Pool
from tests.support.pki import Pki
from tests.support.registry_rows import add_device, add_fleet
from tests.support.waiting import until

pytestmark = pytest.mark.integration


@pytest.fixture
async def cache(pool: Pool) -> AsyncIterator[RegistryCache]:
    made = RegistryCache(pool, sweep_seconds=0.1)
    made.start()
    yield made
    await made.stop()


async def test_load_reads_every_device_and_every_revoked_certificate(pool: Pool, pki: Pki) -> None:
    issued = pki.issue("b")
    await add_device(pool, "a", organization="demo", kind="simulated", status="active")
    await add_device(pool, "b", certificate=issued)
    await pool.execute("update registry.certificates set revoked_at = now()")
    cache = RegistryCache(pool)
    await cache.load()
    assert len(cache) == 2
    found = cache.get("a")
    assert found is not None
    assert (found.organization, found.simulated, found.status) == ("demo", True, "active")
    assert cache.revoked(issued.serial)
    assert not cache.revoked("00")
    assert cache.get("c") is None


async def test_a_large_fleet_is_read_in_pages_with_one_string_for_what_it_shares(pool: Pool) -> None:
    await add_fleet(pool, "d", 5000)
    async with pool.acquire() as connection:
        devices = [device async for device in registry_table.every_device(connection)]
    assert len({device.id for device in devices}) == 5000
    assert len({id(device.organization) for device in devices}) == 1


async def test_find_asks_the_database_for_what_is_new(pool: Pool) -> None:
    cache = RegistryCache(pool)
    assert await cache.find("a") is None
    await add_device(pool, "a")
    found = await cache.find("a")
    assert found is not None
    assert cache.get("a") is found


async def test_find_says_that_the_database_is_away(pool: Pool) -> None:
    cache = RegistryCache(pool)
    await pool.close()
    with pytest.raises(StoreUnavailable):
        await cache.find("a")


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("update registry.devices set status = 'disabled', changed_at = now()", "kicked"),
        ("update registry.devices set status = 'retired', changed_at = now()", "kicked"),
        ("update registry.devices set organization_id = 'demo', changed_at = now()", "kicked"),
        ("update registry.certificates set revoked_at = now()", "revoked"),
    ],
)
async def test_the_sweep_tells_whose_session_must_end_once(
    pool: Pool, pki: Pki, cache: RegistryCache, statement: str, reason: str
) -> None:
    told: list[tuple[str, str]] = []
    cache.on_change(lambda subject, why: told.append((subject, why)))
    await add_device(pool, "a", status="active", certificate=pki.issue("a"))
    await cache.load()
    began = time.monotonic()
    await pool.execute(statement)
    await until(lambda: told)
    assert time.monotonic() - began < 1
    await asyncio.sleep(0.3)
    assert told == [("a", reason)]


async def test_a_change_that_matters_to_no_session_ends_none(pool: Pool, cache: RegistryCache) -> None:
    told: list[str] = []
    cache.on_change(lambda subject, why: told.append(subject))
    await add_device(pool, "a")
    await cache.load()
    await pool.execute("update registry.devices set status = 'active', changed_at = now()")
    await until(lambda: (record := cache.get("a")) and record.status == "active")
    assert told == []


async def test_the_sweep_sees_a_change_whose_transaction_began_before_the_last_look(pool: Pool, cache: RegistryCache) -> None:
    await add_device(pool, "a")
    await cache.load()
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("update registry.devices set status = 'disabled', changed_at = now()")
        await asyncio.sleep(0.5)
    await until(lambda: (record := cache.get("a")) and record.status == "disabled", 1.0)


async def test_refresh_sees_a_revocation_and_a_device_that_is_gone_at_once(pool: Pool, pki: Pki) -> None:
    cache, told = RegistryCache(pool), []
    cache.on_change(lambda subject, why: told.append((subject, why)))
    issued = pki.issue("a")
    await add_device(pool, "a", certificate=issued)
    await add_device(pool, "b")
    await cache.load()
    await pool.execute("update registry.certificates set revoked_at = now()")
    assert await cache.refresh("a") == cache.get("a")
    assert cache.revoked(issued.serial)
    await pool.execute("delete from registry.devices where id = 'b'")
    assert await cache.refresh("b") is None
    assert cache.get("b") is None
    assert told == [("a", "revoked"), ("b", "kicked")]
