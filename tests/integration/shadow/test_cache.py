"""Redis away, emptied, restarted, behind: what is read is what was committed."""

import asyncio
from typing import Any

import pytest

from shadow.cache import ShadowCache, connect, keys_of
from shadow.document import Document, decode
from tests.integration.shadow.parts import Cloud, Edge, make_cloud, make_edge
from tests.support.registry_rows import add_fleet
from tests.support.servers import ValkeyServer
from tests.support.waiting import until

pytestmark = pytest.mark.integration
KEY = ("d1", "")


async def sound(*caches: ShadowCache) -> None:
    await until(lambda: not any(cache.behind for cache in caches), 10.0)


async def test_the_keys_hold_the_json_of_each_section(edge: Edge, redis: Any) -> None:
    await sound(edge.cache)
    await edge.request("update", {"state": {"desired": {"a": 1.0, "big": 9007199254740993, "e": []}, "reported": {"a": 1}}})
    await until(lambda: edge.events, 10.0)
    assert await redis.get("device:{d1}:desired") == b'{"a":1.0,"big":9007199254740993,"e":[]}'
    assert await redis.get("device:{d1}:reported") == b'{"a":1}'
    assert await redis.get("device:{d1}:delta") == b'{"big":9007199254740993,"e":[]}'
    head = await redis.hgetall("device:{d1}:shadow")
    assert (head[b"version"], head[b"desired_version"], head[b"reported_version"]) == (b"1", b"1", b"1")
    assert set(decode(head[b"metadata"])) == {"desired", "reported"}
    await edge.request("update", {"state": {"desired": None}})
    await until(lambda: len(edge.events) == 2, 10.0)
    assert await redis.exists("device:{d1}:desired", "device:{d1}:delta") == 0


async def test_reads_come_from_redis(cloud: Cloud, pool: Any) -> None:
    await sound(cloud.cache)
    await cloud.desire({"a": 1})
    await pool.execute("update shadow.documents set desired = '{\"a\": 2}'")  # behind our back
    view = await cloud.service.get("d1")
    assert view is not None
    assert view.state["desired"] == {"a": 1}


async def test_a_burst_of_reads_is_no_failure(cloud: Cloud) -> None:
    await sound(cloud.cache)
    view = await cloud.desire({"a": 1})
    assert await asyncio.gather(*(cloud.service.get("d1") for _ in range(300))) == [view] * 300
    assert not cloud.cache.behind


async def test_an_older_version_never_replaces_a_newer_one(redis: Any, pool: Any) -> None:
    cache = ShadowCache(redis, pool)
    await pool.execute("insert into shadow.documents (device_id, version) values ('d1', 10)")
    await cache.put({KEY: Document(version=10, reported={"n": 10})})
    await cache.put({KEY: Document(version=9, reported={"n": 9})})
    found = await cache.get(KEY)
    assert found is not None
    assert found.version == 10


async def test_what_postgresql_has_lost_is_not_served(redis: Any, pool: Any, cloud: Cloud) -> None:
    """As after a fail-over that lost the last commits: Redis holds versions that were never heard of."""
    await sound(cloud.cache)
    await cloud.desire({"a": 1})
    await redis.hset("device:{d1}:shadow", "version", 7)
    assert (await cloud.desire({"a": 2})).version == 2
    found = await cloud.service.get("d1")
    assert found is not None
    assert (found.version, found.state["desired"]) == (2, {"a": 2})
    await redis.hset("device:{d1}:shadow", "version", 7)
    assert await cloud.cache.repair() == 1
    assert not await redis.exists(*keys_of(KEY))


async def test_an_emptied_redis_is_filled_again(cloud: Cloud, redis: Any) -> None:
    await sound(cloud.cache)
    view = await cloud.desire({"a": 1})
    await redis.flushall()
    assert await cloud.service.get("d1") == view
    assert await redis.get("device:{d1}:desired") == b'{"a":1}'


async def test_a_copy_from_before_a_restart_is_not_served(cloud: Cloud, redis: Any) -> None:
    """As after a crash of Redis whose append-only file lacks the last second: an old version under an old run id."""
    await sound(cloud.cache)
    await cloud.desire({"a": 1})
    old = {key: await redis.dump(key) for key in keys_of(KEY) if await redis.exists(key)}
    view = await cloud.desire({"a": 2})
    for key, dump in old.items():
        await redis.restore(key, 0, dump, replace=True)
    await redis.hset("device:{d1}:shadow", "run", "0" * 40)
    assert await cloud.service.get("d1") == view
    assert await redis.hget("device:{d1}:shadow", "version") == b"2"


async def test_what_a_crashed_process_did_not_write_is_repaired_at_the_next_start(pool: Any, redis: Any, cloud: Cloud) -> None:
    await sound(cloud.cache)
    await cloud.desire({"a": 1})
    await pool.execute("update shadow.documents set version = 2, desired = '{\"a\": 2}'")  # committed, then kill -9
    async with make_edge(pool, redis) as edge:
        await sound(edge.cache)
    view = await cloud.service.get("d1")
    assert view is not None
    assert (view.version, view.state["desired"]) == (2, {"a": 2})


async def test_repair_goes_through_all_pages(pool: Any, redis: Any) -> None:
    await add_fleet(pool, "a", 1200)
    await pool.execute(
        "insert into shadow.documents (device_id, version, reported) select 'a' || n, n, '{}' from generate_series(1, 1200) n"
    )
    cache = ShadowCache(redis, pool)
    assert await cache.repair() == 1200
    assert await cache.repair() == 0
    await redis.delete("device:{a77}:shadow")
    assert await cache.repair() == 1


async def test_everything_goes_on_without_redis_and_is_right_when_it_is_back(own_valkey: ValkeyServer, pool: Any) -> None:
    redis = connect(own_valkey.url)
    try:
        async with make_cloud(pool, redis) as cloud, make_edge(pool, redis) as edge:
            await sound(cloud.cache, edge.cache)
            await cloud.desire({"a": 1})
            own_valkey.kill()
            async with asyncio.timeout(3):
                view = await cloud.desire({"a": 2})
                await edge.request("update", {"state": {"reported": {"a": 2}}})
                await edge.sender.wait_for("/update/accepted")
                seen = await cloud.service.get("d1")
            assert seen is not None
            assert (seen.version, seen.state) == (view.version + 1, {"desired": {"a": 2}, "reported": {"a": 2}})
            await until(lambda: edge.cache.behind and cloud.cache.behind, 10.0)
            await asyncio.to_thread(own_valkey.start)
            await sound(cloud.cache, edge.cache)
            assert await redis.get("device:{d1}:reported") == b'{"a":2}'
            assert await cloud.service.get("d1") == seen
    finally:
        await redis.aclose()
