"""Delta and documents: told after a change, at a subscription, and after a crash."""

from typing import Any

import pytest

from iotsphere import topics
from tests.integration.shadow.parts import Cloud, Edge, make_edge
from tests.support.deliveries import record
from tests.support.registry_rows import add_fleet
from tests.support.waiting import until

pytestmark = pytest.mark.integration
DELTA = "/shadow/update/delta"
DOCUMENTS = "/shadow/update/documents"


async def announced(pool: Any, device: str = "d1") -> int:
    return int(await pool.fetchval("select announced_version from shadow.documents where device_id = $1", device))


async def test_a_change_of_the_api_reaches_the_device(cloud: Cloud, edge: Edge, pool: Any) -> None:
    view = await cloud.desire({"setpoint": 50})
    for device in cloud.woken:
        edge.announcer.wake(device)
    [delta] = await edge.sender.wait_for(DELTA)
    versions = {"version": 1, "desired_version": 1, "reported_version": 0}
    stamp = {"timestamp": view.timestamp, "version": 1, "editor": "ann"}
    assert delta.body == {"state": {"setpoint": 50}, "metadata": {"setpoint": stamp}, **versions, "timestamp": view.timestamp}
    [documents] = edge.sender.on(DOCUMENTS)
    assert documents.body["current"] == {"state": {"desired": {"setpoint": 50}}, "metadata": view.metadata, **versions}


async def test_documents_of_a_device_s_own_change_hold_both_and_the_token(edge: Edge) -> None:
    await edge.request("update", {"state": {"reported": {"a": 1}}})
    await edge.sender.wait_for(DOCUMENTS)
    await edge.request("update", {"state": {"reported": {"a": 2}}, "clientToken": "t"})
    first, second = [m.body for m in await edge.sender.wait_for(DOCUMENTS, 2)]
    assert (first["previous"]["version"], first["previous"]["state"]) == (0, {})
    assert (second["previous"]["state"], second["current"]["state"]) == ({"reported": {"a": 1}}, {"reported": {"a": 2}})
    assert second["clientToken"] == "t"
    assert edge.sender.on(DELTA) == []


async def test_the_delta_is_told_again_after_each_change_that_leaves_one(edge: Edge) -> None:
    await edge.request("update", {"state": {"desired": {"a": 1, "b": 2}}})
    await edge.sender.wait_for(DELTA)
    await edge.request("update", {"state": {"reported": {"a": 1}}})
    second = (await edge.sender.wait_for(DELTA, 2))[1]
    assert (second.body["state"], second.body["version"]) == ({"b": 2}, 2)
    await edge.request("update", {"state": {"reported": {"b": 2.0}}})
    await edge.sender.wait_for(DOCUMENTS, 3)
    assert len(edge.sender.on(DELTA)) == 2


@pytest.mark.parametrize(
    "text", ["iot/v1/d1/shadow/update/delta", "iot/v1/d1/#", "iot/v1/d1/shadow/+/+", "iot/v1/d1/shadow/update/+"]
)
async def test_a_device_that_subscribes_is_told_its_delta(cloud: Cloud, edge: Edge, pool: Any, text: str) -> None:
    edge.sender.disconnect("d1")
    for n in range(3):
        await cloud.desire({"setpoint": n})
    await edge.announcer.sweep()
    assert await announced(pool) == 3
    edge.sender.connect("d1", 2, text)
    edge.announcer.on_subscribed(record("d1"), 2, text)
    [delta] = await edge.sender.wait_for(DELTA)
    assert delta.body["state"] == {"setpoint": 2}


async def test_other_filters_and_services_are_told_nothing(cloud: Cloud, edge: Edge, pool: Any) -> None:
    edge.sender.disconnect("d1")
    await cloud.desire({"setpoint": 1})
    await edge.announcer.sweep()
    edge.sender.connect("d1")
    edge.announcer.on_subscribed(record("d1"), 2, topics.command_request_filter("d1"))
    edge.announcer.on_subscribed(record("d1", kind="service"), 2, "#")
    edge.announcer.on_subscribed(record("d1"), 2, "iot/v1/d1/shadow/name/other/update/delta")
    await edge.announcer.sweep()
    assert edge.sender.sent == []


async def test_named_shadows_are_told_on_their_own_topics(edge: Edge) -> None:
    await edge.request("update", {"state": {"desired": {"a": 1}}}, name="config")
    await edge.sender.wait_for("/shadow/name/config/update/delta")
    edge.announcer.on_subscribed(record("d1"), 1, "iot/v1/d1/shadow/name/+/update/delta")
    await edge.sender.wait_for("/shadow/name/config/update/delta", 2)


async def test_what_a_crash_left_is_told_by_the_sweep(pool: Any, redis: Any, cloud: Cloud) -> None:
    async with make_edge(pool, redis, announce=False) as dying:
        await dying.request("update", {"state": {"desired": {"a": 1}}})
        assert await announced(pool) == 0
    async with make_edge(pool, redis) as edge:
        [delta] = await edge.sender.wait_for(DELTA)
        assert delta.body["state"] == {"a": 1}
        await until(lambda: not edge.announcer._announcing.locked(), 10.0)
        assert await announced(pool) == 1


async def test_a_full_window_leaves_the_version_due(edge: Edge, cloud: Cloud, pool: Any) -> None:
    edge.sender.full.add("d1")
    await cloud.desire({"a": 1})
    await edge.announcer.sweep()
    assert await announced(pool) == 0
    edge.sender.full.clear()
    await edge.sender.wait_for(DELTA)


async def test_a_sweep_passes_over_many_that_are_stuck(pool: Any, edge: Edge) -> None:
    await add_fleet(pool, "a", 1200)
    await pool.execute("insert into shadow.documents (device_id, version) select 'a' || n, 1 from generate_series(1, 1200) n")
    await pool.execute("insert into shadow.documents (device_id, version, desired) values ('d1', 1, '{\"a\": 1}')")
    for n in range(1, 1201):
        edge.sender.connect(f"a{n}")
        edge.sender.full.add(f"a{n}")
    await edge.sender.wait_for(DELTA)


async def test_filters_without_end_cost_one_look(edge: Edge) -> None:
    await edge.request("update", {"state": {"desired": {"a": 1}}})
    await edge.sender.wait_for("/update/delta")
    for number in range(10_000):
        edge.announcer.on_subscribed(record("d1"), 2, f"iot/v1/d1/shadow/name/n{number}/#")
    assert len(edge.announcer._subscribed.peek("d1") or ()) <= 100
