"""Newest values in a real Valkey, repaired from PostgreSQL."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import redis
import redis.asyncio

from ingest.latest import LatestStore
from ingest.latest_keys import FIELDS, LatestKeys
from ingest.latest_value import LatestValue
from iotsphere.infra.postgres import make_pool
from tests.support import servers
from tests.support.devices import delivery, thermometer
from tests.support.ingest import TestIngest, now_ms, running_ingest
from tests.support.waiting import until

pytestmark = pytest.mark.integration


async def commit(it: TestIngest, ts: float, values: dict[str, Any], **details: Any) -> None:
    await it.pipeline.commit([delivery({"ts": ts, "values": values}, **details)])


@asynccontextmanager
async def reading(dsn: str, url: str) -> AsyncIterator[LatestStore]:
    """What `cloud` has."""
    async with await make_pool(dsn, name="test", high=2) as pool, redis.asyncio.Redis.from_url(url) as client:
        yield LatestStore(client, pool)


async def in_valkey(client: redis.Redis, device: str, **expected: str) -> None:
    """Wait until the hash of a device is complete and holds these texts."""

    def there() -> bool:
        found = client.hgetall(f"device:{{{device}}}:latest")
        generation = client.get("latest:generation")
        return generation is not None and found == {b"$": generation} | {k.encode(): v.encode() for k, v in expected.items()}

    await until(there, 10)


async def test_the_newest_by_its_own_time_wins_whatever_comes_late(migrated_dsn: str, valkey_url: str) -> None:
    ts = now_ms()
    async with running_ingest(migrated_dsn, valkey_url) as it:
        await commit(it, ts, {"temperature": 5, "humidity": 500})
        with redis.Redis.from_url(valkey_url) as client:
            await in_valkey(client, "t-1", temperature=f"{ts}000 5.0 - -", humidity=f"{ts}000 500.0 - out_of_range")
            await commit(it, ts - 5000, {"temperature": 4, "x": 9})
            await commit(it, ts + 0.001, {"temperature": 6})
            await in_valkey(
                client,
                "t-1",
                temperature=f"{ts}001 6.0 - -",
                humidity=f"{ts}000 500.0 - out_of_range",
                x=f"{ts - 5000}000 9.0 - undeclared",
            )
        await commit(it, ts, {"temperature": 7}, device=thermometer("s-1", "simulated"))
        await until(lambda: bool(it.events))
        found = await it.latest.latest_many(["t-1", "s-1", "none"])
        assert found["t-1"]["temperature"] == LatestValue(6.0, ts + 0.001)
        assert found["t-1"]["humidity"] == LatestValue(500.0, ts, None, "out_of_range")
        assert found["s-1"] == {"temperature": LatestValue(7.0, ts, "simulation")}
        assert found["none"] == {}


async def test_an_emptied_valkey_is_rebuilt(migrated_dsn: str, valkey_url: str) -> None:
    ts = now_ms()
    async with running_ingest(migrated_dsn, valkey_url) as it:
        with redis.Redis.from_url(valkey_url) as client:
            await commit(it, ts, {"temperature": 5, "humidity": 50})
            await in_valkey(client, "t-1", temperature=f"{ts}000 5.0 - -", humidity=f"{ts}000 50.0 - -")
            client.flushall()
            both = {"temperature": LatestValue(5.0, ts), "humidity": LatestValue(50.0, ts)}
            assert await it.latest.latest_many(["t-1"]) == {"t-1": both}
            await commit(it, ts + 1, {"temperature": 6})  # one measurement comes, the other one must not be forgotten
            await in_valkey(client, "t-1", temperature=f"{ts + 1}000 6.0 - -", humidity=f"{ts}000 50.0 - -")


async def test_a_reader_repairs_what_it_has_looked_up(migrated_dsn: str, valkey_url: str) -> None:
    ts = now_ms()
    async with running_ingest(migrated_dsn, valkey_url) as it:
        with redis.Redis.from_url(valkey_url) as client:
            await commit(it, ts, {"temperature": 5})
            await in_valkey(client, "t-1", temperature=f"{ts}000 5.0 - -")
            client.delete("device:{t-1}:latest")
            assert (await it.latest.latest_many(["t-1"]))["t-1"] == {"temperature": LatestValue(5.0, ts)}
            await in_valkey(client, "t-1", temperature=f"{ts}000 5.0 - -")


async def test_a_writer_that_died_before_it_wrote_leaves_nothing_stale(migrated_dsn: str, valkey_url: str) -> None:
    ts = now_ms()
    async with running_ingest(migrated_dsn, valkey_url) as it:
        await commit(it, ts, {"temperature": 5})
        with redis.Redis.from_url(valkey_url) as client:
            await in_valkey(client, "t-1", temperature=f"{ts}000 5.0 - -")
    async with running_ingest(migrated_dsn, valkey_url) as it:
        # Committed by the one that died; Valkey was never told.
        await it.pool.execute(
            "insert into telemetry.telemetry values ('t-1', to_timestamp($1), 'temperature', 6, null)", (ts + 1000) / 1000
        )
        await commit(it, ts, {"temperature": 1}, device=thermometer("t-2"))
        with redis.Redis.from_url(valkey_url) as client:
            await in_valkey(client, "t-2", temperature=f"{ts}000 1.0 - -")
        assert (await it.latest.latest_many(["t-1"]))["t-1"] == {"temperature": LatestValue(6.0, ts + 1000)}


@pytest.mark.slow
async def test_while_valkey_is_away_postgresql_answers_and_nothing_is_missed(
    migrated_dsn: str, own_valkey: servers.ValkeyServer
) -> None:
    ts = now_ms()
    async with running_ingest(migrated_dsn, own_valkey.url) as it:
        await commit(it, ts, {"temperature": 5, "humidity": 1})
        with redis.Redis.from_url(own_valkey.url) as client:
            await in_valkey(client, "t-1", temperature=f"{ts}000 5.0 - -", humidity=f"{ts}000 1.0 - -")
        own_valkey.kill()
        await commit(it, ts + 1, {"temperature": 6})
        found = (await it.latest.latest_many(["t-1"]))["t-1"]
        assert found == {"temperature": LatestValue(6.0, ts + 1), "humidity": LatestValue(1.0, ts)}
        own_valkey.start()
        with redis.Redis.from_url(own_valkey.url) as client:
            await in_valkey(client, "t-1", temperature=f"{ts + 1}000 6.0 - -", humidity=f"{ts}000 1.0 - -")


@pytest.mark.slow
async def test_a_valkey_that_comes_back_without_its_last_second_is_not_believed(
    migrated_dsn: str, own_valkey: servers.ValkeyServer
) -> None:
    ts, url = now_ms(), own_valkey.url
    async with running_ingest(migrated_dsn, url) as it:
        await commit(it, ts, {"temperature": 5})
        with redis.Redis.from_url(url) as client:
            await in_valkey(client, "t-1", temperature=f"{ts}000 5.0 - -")
            await commit(it, ts + 1, {"temperature": 6})
            await in_valkey(client, "t-1", temperature=f"{ts + 1}000 6.0 - -")
    async with reading(migrated_dsn, url) as reader:
        with redis.Redis.from_url(url) as client:
            client.hset("device:{t-1}:latest", "temperature", f"{ts}000 5.0 - -")  # what the file still has of it
        old = {"t-1": {"temperature": LatestValue(5.0, ts)}}
        assert await reader.latest_many(["t-1"]) == old, "while the server lives, what is complete is believed"
        own_valkey.kill()
        own_valkey.start()  # and there is no writer that would look after it
        with redis.Redis.from_url(own_valkey.url) as client:
            assert client.hgetall("device:{t-1}:latest")[b"temperature"] == f"{ts}000 5.0 - -".encode()
        assert own_valkey.url == url
        assert await reader.latest_many(["t-1"]) == {"t-1": {"temperature": LatestValue(6.0, ts + 1)}}
        assert (await reader._keys.read(["t-1"]))[0] is None, "Valkey answers, and its generation does not count"


async def test_values_that_were_not_offered_are_found_in_postgresql(migrated_dsn: str, valkey_url: str) -> None:
    ts = now_ms()
    async with running_ingest(migrated_dsn, valkey_url) as it:
        with redis.Redis.from_url(valkey_url) as client:
            await commit(it, ts, {"temperature": 5})
            await in_valkey(client, "t-1", temperature=f"{ts}000 5.0 - -")
            await it.pool.execute(
                "insert into telemetry.telemetry values ('t-1', to_timestamp($1), 'temperature', 8, null)", (ts + 1000) / 1000
            )
            it.latest.forget(["t-1"])
            await in_valkey(client, "t-1", temperature=f"{ts + 1000}000 8.0 - -")


async def test_a_value_that_is_null_hides_nothing(migrated_dsn: str, valkey_url: str) -> None:
    ts = now_ms()
    async with running_ingest(migrated_dsn, valkey_url) as it:
        with redis.Redis.from_url(valkey_url) as client:
            await commit(it, ts, {"temperature": 5})
            await it.pool.execute(
                "insert into telemetry.telemetry values ('t-1', to_timestamp($1), 'temperature', null, null)", (ts + 1000) / 1000
            )
            it.latest.forget(["t-1"])
            await in_valkey(client, "t-1", temperature=f"{ts}000 5.0 - -")
            assert await it.latest.latest_many(["t-1"]) == {"t-1": {"temperature": LatestValue(5.0, ts)}}


async def test_a_reader_without_any_writer_asks_postgresql(migrated_dsn: str, valkey_url: str) -> None:
    ts = now_ms()
    async with running_ingest(migrated_dsn, valkey_url) as it:
        await commit(it, ts, {"temperature": 5})
        client = redis.asyncio.Redis.from_url("redis://127.0.0.1:1/0")
        assert await LatestStore(client, it.pool).latest_many(["t-1"]) == {"t-1": {"temperature": LatestValue(5.0, ts)}}
        await client.aclose()


async def test_a_hash_of_latest_values_is_bounded(valkey_url: str) -> None:
    client = redis.asyncio.Redis.from_url(valkey_url)
    keys = LatestKeys(client)
    await keys.fill("g", {"t-1": {f"m{n}": f"{n} 1.0 - -" for n in range(FIELDS)}})
    assert await keys.put("g", {"t-1": {"temperature": "5 2.0 - -", "m0": "7 3.0 - -"}}) == []
    _, [found], _ = await keys.read(["t-1"])
    assert len(found) == FIELDS
    assert found["m0"] == LatestValue(3.0, 0.007), "what is in it goes on being written"
    assert "temperature" not in found
    await client.aclose()
