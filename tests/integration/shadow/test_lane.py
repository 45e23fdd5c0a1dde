"""Requests of devices: what is committed, and what is answered."""

import asyncio
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from iotsphere.infra.postgres import make_pool
from shadow import plan
from shadow.document import decode
from shadow.metrics import ShadowMetrics
from tests.integration.shadow.parts import Cloud, Edge, make_edge
from tests.support.deliveries import add_devices, delivery
from tests.support.servers import PostgresServer
from tests.support.waiting import until

pytestmark = pytest.mark.integration


async def row(pool: Any, device: str = "d1", name: str = "") -> Any:
    return await pool.fetchrow("select * from shadow.documents where device_id = $1 and name = $2", device, name)


async def test_an_update_is_committed_before_commit_returns_and_then_answered(edge: Edge, pool: Any) -> None:
    await edge.request(
        "update", {"state": {"reported": {"n": 9007199254740993, "f": 1.0, "e": [], "a/b": {}}}, "clientToken": "t"}
    )
    stored = await row(pool)
    assert (stored["version"], stored["reported"]) == (1, '{"n":9007199254740993,"f":1.0,"e":[],"a/b":{}}')
    [accepted] = await edge.sender.wait_for("/shadow/update/accepted")
    assert accepted.body["version"] == 1
    assert accepted.body["clientToken"] == "t"


async def test_get_after_update_and_delete(edge: Edge) -> None:
    await edge.request("get")
    [rejected] = await edge.sender.wait_for("/shadow/get/rejected")
    assert rejected.body["code"] == 404
    await edge.request("update", {"state": {"desired": {"a": 1}}})
    await edge.request("get", {"clientToken": "g"})
    [accepted] = await edge.sender.wait_for("/shadow/get/accepted")
    assert accepted.body["state"] == {"desired": {"a": 1}, "delta": {"a": 1}}
    assert accepted.body["clientToken"] == "g"
    await edge.request("delete")
    [gone] = await edge.sender.wait_for("/shadow/delete/accepted")
    assert gone.body["version"] == 2


async def test_a_batch_keeps_the_order_of_each_device(edge: Edge, pool: Any) -> None:
    batch = [
        delivery(f"iot/v1/{device}/shadow/update", {"state": {"reported": {"n": n}}})
        for n in range(50)
        for device in ("d1", "d2")
    ]
    await edge.lane.commit(batch)
    for device in ("d1", "d2"):
        stored = await row(pool, device)
        assert (stored["version"], stored["reported"]) == (50, '{"n":49}')
        history = await pool.fetch(
            "select version, update, actor from shadow.revisions where device_id = $1 order by version", device
        )
        assert [(r["version"], decode(r["update"])["reported"]["n"], r["actor"]) for r in history] == [
            (n + 1, n, "device") for n in range(50)
        ]
    assert [m.body["version"] for m in await edge.sender.wait_for("/update/accepted", 50)] == list(range(1, 51))


async def test_a_malformed_update_is_rejected_and_recorded_and_its_neighbours_are_committed(edge: Edge, pool: Any) -> None:
    good = {"state": {"reported": {"a": 1}}}
    await edge.lane.commit(
        [delivery("iot/v1/d1/shadow/update", body) for body in (b"{", good, {"state": {"reported": {"a": [None]}}})]
    )
    assert (await row(pool))["version"] == 1
    assert [m.body["code"] for m in await edge.sender.wait_for("/update/rejected", 2)] == [400, 400]
    assert [(device, category, topic) for device, category, _, topic in edge.refused] == [
        ("d1", "validation", "iot/v1/d1/shadow/update")
    ] * 2


async def test_a_stale_version_conflicts(edge: Edge, pool: Any) -> None:
    await edge.request("update", {"state": {"reported": {"a": 1}}})
    await edge.request("update", {"state": {"reported": {"a": 2}}, "version": 7})
    [rejected] = await edge.sender.wait_for("/update/rejected")
    assert rejected.body["code"] == 409
    assert (await row(pool))["reported"] == '{"a":1}'
    assert edge.refused == []


async def test_named_shadows_are_apart(edge: Edge, pool: Any) -> None:
    await edge.request("update", {"state": {"reported": {"a": 1}}}, name="config")
    assert await row(pool) is None
    assert (await row(pool, name="config"))["version"] == 1
    await edge.sender.wait_for("/shadow/name/config/update/accepted")


async def test_text_with_nul_and_every_script_is_kept(edge: Edge, pool: Any) -> None:
    await edge.request("update", {"state": {"reported": {"t": "\0 ü 水 \U0001f525", "long": "x" * 5000}}})
    await edge.request("get")
    [accepted] = await edge.sender.wait_for("/get/accepted")
    assert accepted.body["state"]["reported"]["t"] == "\0 ü 水 \U0001f525"


async def test_twenty_writers_on_one_device_lose_nothing(pool: Any, redis: Any) -> None:
    """Two processes, each with its own lane; every writer counts its own key up."""
    async with make_edge(pool, redis) as one, make_edge(pool, redis) as other:

        async def write(writer: int) -> None:
            for n in range(1, 6):
                edge = (one, other)[(writer + n) % 2]
                await edge.request("update", {"state": {"reported": {f"w{writer}": n, "last": writer}}})

        await asyncio.gather(*(write(writer) for writer in range(20)))
        stored = await row(pool)
        reported = decode(stored["reported"])
        assert stored["version"] == 100
        assert {key: value for key, value in reported.items() if key != "last"} == {f"w{writer}": 5 for writer in range(20)}
        assert await pool.fetchval("select count(*) from shadow.revisions") == 100
        versions = [m.body["version"] for edge in (one, other) for m in await edge.sender.wait_for("/update/accepted", 50)]
        assert sorted(versions) == list(range(1, 101))


async def test_of_many_writers_with_the_same_version_exactly_one_wins(pool: Any, redis: Any) -> None:
    async with make_edge(pool, redis) as one, make_edge(pool, redis) as other:
        body = {"state": {"reported": {"a": 1}}, "version": 0}
        await asyncio.gather(*(edge.request("update", body) for edge in (one, other) for _ in range(50)))
        await until(lambda: len(one.sender.on("/rejected")) + len(other.sender.on("/rejected")) == 99, 10.0)
        assert len(one.sender.on("/update/accepted")) + len(other.sender.on("/update/accepted")) == 1


async def test_commits_of_the_same_devices_in_other_orders_do_not_block_each_other(pool: Any, redis: Any) -> None:
    devices = [f"x{n}" for n in range(40)]
    await add_devices(pool, *devices)
    async with make_edge(pool, redis) as one, make_edge(pool, redis) as other:

        async def write(edge: Edge, names: list[str]) -> None:
            for n in range(10):
                await edge.lane.commit(
                    [delivery(f"iot/v1/{name}/shadow/update", {"state": {"reported": {"n": n}}}) for name in names]
                )

        async with asyncio.timeout(10):
            await asyncio.gather(write(one, devices), write(other, devices[::-1]))
    assert await pool.fetchval("select count(*) from shadow.documents where version = 20") == 40


async def test_an_absent_postgres_is_waited_out(own_postgres: PostgresServer, redis: Any) -> None:
    pool = await make_pool(own_postgres.engine.admin_dsn, name="test")
    await add_devices(pool, "d1")
    async with make_edge(pool, redis) as edge:
        await edge.request("update", {"state": {"reported": {"a": 1}}})
        own_postgres.kill()
        update = asyncio.create_task(edge.request("update", {"state": {"reported": {"a": 2}}}))
        await asyncio.sleep(0.5)
        assert not update.done()
        await asyncio.to_thread(own_postgres.restart_after_kill)
        await asyncio.wait_for(update, 20)
        assert decode((await row(pool))["reported"]) == {"a": 2}
    await pool.close()


async def test_an_absent_device_is_committed_all_the_same(edge: Edge, pool: Any) -> None:
    await edge.request("update", {"state": {"reported": {"a": 1}}}, device="d2")
    assert (await row(pool, "d2"))["version"] == 1
    await until(lambda: len(edge.events) == 1, 10.0)
    assert edge.sender.sent == []


async def test_a_device_has_so_many_named_shadows_and_no_more(edge: Edge, pool: Any) -> None:
    batch = [
        delivery(f"iot/v1/d1/shadow/name/n{number}/update", {"state": {"reported": {"a": 1}}})
        for number in range(plan.MAX_NAMED + 3)
    ]
    await edge.lane.commit(batch[:10])
    await edge.lane.commit(batch[10:])
    await edge.lane.commit(batch[:1])  # a known one goes on
    assert await pool.fetchval("select count(*) from shadow.documents where name <> ''") == plan.MAX_NAMED
    assert await pool.fetchval("select version from shadow.documents where name = 'n0'") == 2
    rejected = await edge.sender.wait_for("/update/rejected", 3)
    assert {message.body["code"] for message in rejected} == {413}


async def test_how_long_a_wish_took_is_measured_when_the_device_reports_it(pool: Any, redis: Any, cloud: Cloud) -> None:
    registry = CollectorRegistry()
    async with make_edge(pool, redis, metrics=ShadowMetrics(registry)) as edge:
        await cloud.desire({"a": 1, "b": 2})
        await edge.request("update", {"state": {"reported": {"a": {"value": 1, "ac": 202, "av": 1}}}})
        assert registry.get_sample_value("shadow_converge_seconds_count", {"property": "other"}) is None
        await edge.request("update", {"state": {"reported": {"a": {"ac": 200}, "c": 1}}})
    assert registry.get_sample_value("shadow_converge_seconds_count", {"property": "other"}) == 1


async def test_a_report_that_nobody_needs_to_hear_of_is_not_announced(edge: Edge, pool: Any) -> None:
    edge.sender.connect("d1", 1, "iot/v1/d1/shadow/update/accepted", "iot/v1/d1/shadow/update/delta")
    await edge.request("update", {"state": {"reported": {"a": 1}}})
    assert (await row(pool))["announced_version"] == 1
    edge.sender.disconnect("d1")
    await edge.request("update", {"state": {"desired": {"a": 2}}})  # a delta is: who subscribes just now must not miss it
    await edge.announcer.sweep()
    assert (await row(pool))["announced_version"] == 2
    edge.sender.connect("d1", 2, "iot/v1/d1/shadow/#")
    await edge.request("update", {"state": {"reported": {"a": 2}}})
    assert (await edge.sender.wait_for("/update/documents"))[0].body["current"]["version"] == 3
