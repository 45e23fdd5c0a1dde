"""The contract of the shadow, S1 to S23, over the real service, PostgreSQL and Valkey, in both dialects.

Where AWS's pages are silent or disagree, a test named *pinned* says what holds here; docs/shadow.md has the list.
"""

import asyncio
from typing import Any

import pytest

from broker import policy
from device_sdk.shadow import DeviceShadow
from iotsphere import topics
from iotsphere.errors import Conflict
from iotsphere.topics import Dialect
from shadow.document import merge
from shadow.expectation import Expectation
from tests.integration.shadow.parts import Cloud, Edge, make_cloud, make_edge, target
from tests.support.deliveries import delivery, record
from tests.support.waiting import until

pytestmark = pytest.mark.integration
OWN, AWS = Dialect.OWN, Dialect.AWS


class Device:
    """A device that asks for one thing at a time and waits for the answer."""

    def __init__(self, edge: Edge, dialect: Dialect, name: str | None = None) -> None:
        self.edge, self.dialect, self.name = edge, dialect, name
        edge.sender.connect("d1", 1, topics.every_topic_filter("d1"), topics.every_aws_filter("d1"))

    async def ask(self, verb: str, body: Any = b"") -> tuple[str, Any]:
        """``accepted`` or ``rejected``, and the answer."""
        before = len(self._answers(verb))
        await self.edge.request(verb, body, name=self.name, dialect=self.dialect)
        await until(lambda: len(self._answers(verb)) > before, 10.0)
        message = self._answers(verb)[before]
        return message.topic.rsplit("/", 1)[1], message.body

    async def update(self, **state: Any) -> Any:
        outcome, body = await self.ask("update", {"state": state})
        assert outcome == "accepted", body
        return body

    async def get(self) -> Any:
        outcome, body = await self.ask("get")
        assert outcome == "accepted", body
        return body

    async def state(self) -> Any:
        return (await self.get())["state"]

    async def refused(self, verb: str, body: Any) -> int:
        outcome, answer = await self.ask(verb, body)
        assert outcome == "rejected", answer
        return int(answer["code"])

    async def heard(self, what: str, count: int) -> list[Any]:
        """The first ``count`` messages on update/delta or update/documents."""
        topic = topics.shadow_reply("d1", "update", what, self.name, self.dialect)
        await until(lambda: len([m for m in self.edge.sender.sent if m.topic == topic]) >= count, 10.0)
        return [m.body for m in self.edge.sender.sent if m.topic == topic]

    def _answers(self, verb: str) -> list[Any]:
        wanted = {topics.shadow_reply("d1", verb, outcome, self.name, self.dialect) for outcome in ("accepted", "rejected")}
        return [m for m in self.edge.sender.sent if m.topic in wanted]


@pytest.fixture(params=[(OWN, None), (AWS, "config")], ids=["own", "aws-named"])
async def device(edge: Edge, request: pytest.FixtureRequest) -> Device:
    return Device(edge, *request.param)


@pytest.fixture
async def own(edge: Edge) -> Device:
    return Device(edge, OWN)


# ── S1 to S10: merge and delta ─────────────────────────────────────────────────────────────────────────────────────────


async def test_s1_s2_desired_is_the_delta_until_it_is_reported(device: Device) -> None:
    accepted = await device.update(desired={"led": "on"})
    assert (accepted["version"], accepted["state"]) == (1, {"desired": {"led": "on"}})
    assert accepted["metadata"]["desired"].keys() == {"led"}
    assert await device.state() == {"desired": {"led": "on"}, "delta": {"led": "on"}}
    await device.heard("delta", 1)
    assert (await device.update(reported={"led": "on"}))["version"] == 2
    assert await device.state() == {"desired": {"led": "on"}, "reported": {"led": "on"}}
    await device.update(reported={"led": "off"})
    assert [delta["version"] for delta in await device.heard("delta", 2)] == [1, 3]


async def test_s3_a_stale_version_is_a_conflict_and_changes_nothing(device: Device) -> None:
    await device.update(reported={"a": 1})
    assert await device.refused("update", {"state": {"reported": {"a": 2}}, "version": 7}) == 409
    assert await device.refused("delete", {"version": 7}) == 409
    assert await device.refused("update", {"state": {"reported": {"a": 2}}, "version": "1"}) == 400
    found = await device.get()
    assert (found["version"], found["state"]) == (1, {"reported": {"a": 1}})
    assert (await device.ask("update", {"state": {"reported": {"a": 2}}, "version": 1}))[0] == "accepted"


async def test_s4_null_deletes_a_leaf_a_section_and_everything(device: Device) -> None:
    await device.update(desired={"a": 1, "b": {"c": 1, "d": 2}}, reported={"a": 1})
    await device.update(desired={"a": None, "b": {"c": None}})
    assert (await device.state())["desired"] == {"b": {"d": 2}}
    await device.update(desired=None)
    assert await device.state() == {"reported": {"a": 1}}
    outcome, emptied = await device.ask("update", {"state": None})
    assert (outcome, emptied["state"], emptied["version"]) == ("accepted", None, 4)
    left = await device.get()  # pinned: it is empty, and it is there
    assert (left["state"], left["version"]) == ({}, 4)


async def test_s5_the_last_key_takes_its_section_along(device: Device) -> None:
    await device.update(desired={"a": 1}, reported={"b": 1})
    await device.update(desired={"a": None})
    assert await device.state() == {"reported": {"b": 1}}


async def test_s6_an_empty_section_changes_nothing_an_empty_object_in_it_stays(device: Device) -> None:
    await device.update(desired={"a": 1})
    assert (await device.update(desired={}, reported={}))["version"] == 2
    assert await device.state() == {"desired": {"a": 1}, "delta": {"a": 1}}
    await device.update(reported={"d": {}, "b": {"c": {}}})
    assert (await device.state())["reported"] == {"d": {}, "b": {"c": {}}}


@pytest.mark.parametrize("reported", [[1, 2], [3, 2, 1], [1, 2, 3, 4], [[1, 2, 3]]])
async def test_s7_an_array_is_in_the_delta_as_a_whole(device: Device, reported: list[Any]) -> None:
    await device.update(desired={"x": {"a": [1, 2, 3]}}, reported={"x": {"a": reported}})
    assert (await device.state())["delta"] == {"x": {"a": [1, 2, 3]}}
    await device.update(reported={"x": {"a": [1, 2, 3]}})
    assert "delta" not in await device.state()


async def test_s8_s9_a_delta_keeps_the_path_and_leaves_out_what_agrees_or_is_only_reported(device: Device) -> None:
    await device.update(
        desired={"a": {"b": 1, "c": {"d": 2}}, "e": 1}, reported={"a": {"b": 1, "c": {"d": 3, "f": 4}}, "g": 1, "e": 1}
    )
    assert (await device.state())["delta"] == {"a": {"c": {"d": 2}}}


async def test_s10_scalar_and_object_replace_each_other(device: Device) -> None:
    await device.update(desired={"a": 1, "b": {"c": 1}}, reported={"a": {"x": 1}, "b": 2})
    assert (await device.state())["delta"] == {"a": 1, "b": {"c": 1}}
    await device.update(desired={"a": {"y": 1}, "b": 5})
    assert (await device.state())["desired"] == {"a": {"y": 1}, "b": 5}


# ── S11 to S16: what is refused, limits, deletion ──────────────────────────────────────────────────────────────────────


async def test_s11_null_in_an_array_is_refused(device: Device) -> None:
    assert await device.refused("update", {"state": {"desired": {"a": {"b": [1, None]}}}}) == 400


async def test_s12_an_unknown_node_in_state_is_refused_beside_it_is_ignored(device: Device) -> None:
    assert await device.refused("update", {"state": {"desired": {"a": 1}, "wished": {}}}) == 400
    assert await device.refused("update", {"state": {"desired": [1]}}) == 400
    assert await device.refused("update", {"state": 1}) == 400
    assert await device.refused("update", {}) == 400
    assert await device.refused("update", b"{") == 400
    assert await device.refused("update", b'{"state": {"desired": {"a": "\xff"}}}') == 415
    assert (await device.ask("update", {"state": {"desired": {"a": 1}}, "unknown": [None]}))[0] == "accepted"


async def test_s13_the_size_is_that_of_the_merged_sections_without_metadata(device: Device) -> None:
    await device.update(desired={f"k{n}": "x" * 16 for n in range(1000)})  # with the metadata far more than the limit
    assert await device.refused("update", {"state": {"reported": {"b": "x" * 8000}}}) == 413
    await device.update(desired=None, reported={"b": "x" * 8000})


async def test_s14_eight_levels_and_no_more(device: Device) -> None:
    def nested(levels: int) -> Any:
        return {"a": nested(levels - 1)} if levels else 1

    await device.update(desired=nested(8))
    assert await device.refused("update", {"state": {"desired": nested(9)}}) == 400


async def test_s15_the_token_comes_back_in_every_answer(device: Device) -> None:
    token = "ü" * 32
    outcome, accepted = await device.ask("update", {"state": {"desired": {"a": 1}}, "clientToken": token})
    assert (outcome, accepted["clientToken"]) == ("accepted", token)
    assert (await device.heard("delta", 1))[0]["clientToken"] == token
    assert (await device.heard("documents", 1))[0]["clientToken"] == token
    assert (await device.ask("get", {"clientToken": token}))[1]["clientToken"] == token
    outcome, conflict = await device.ask("update", {"state": {}, "version": 9, "clientToken": token})
    assert (outcome, conflict["clientToken"]) == ("rejected", token)
    outcome, gone = await device.ask("delete", {"clientToken": token})
    assert (outcome, gone["clientToken"]) == ("accepted", token)
    outcome, absent = await device.ask("get", {"clientToken": token})
    assert (outcome, absent["code"], absent["clientToken"]) == ("rejected", 404, token)
    for wrong in (token + "x", 5):
        outcome, body = await device.ask("update", {"state": {"desired": {"a": 1}}, "clientToken": wrong})
        assert (outcome, body["code"]) == ("rejected", 400)
        assert "clientToken" not in body


async def test_s16_delete_and_create_again_counts_on(device: Device) -> None:
    for verb in ("get", "delete"):
        assert await device.refused(verb, b"") == 404
    await device.update(reported={"a": 1})
    outcome, gone = await device.ask("delete")
    assert outcome == "accepted"
    assert gone.keys() == {"version", "timestamp"}
    assert await device.refused("get", b"") == 404
    again = await device.update(reported={"b": 1})
    assert again["version"] == gone["version"] + 1 == 3
    assert await device.state() == {"reported": {"b": 1}}


# ── S17 to S23: many at once, away, crashed, seen ──────────────────────────────────────────────────────────────────────


async def test_s17_of_two_hundred_writers_with_one_version_exactly_one_wins(pool: Any, redis: Any) -> None:
    async with make_edge(pool, redis) as one, make_edge(pool, redis) as other:
        body = {"state": {"reported": {"a": 1}}, "version": 0}
        await asyncio.gather(
            *(edge.request("update", body, dialect=d) for edge in (one, other) for d in Dialect for _ in range(50))
        )
        for edge in (one, other):
            edge.sender.connect("d1", 1, topics.every_topic_filter("d1"), topics.every_aws_filter("d1"))
        await one.lane.stop()
        await other.lane.stop()
    assert await pool.fetchval("select version from shadow.documents") == 1
    assert await pool.fetchval("select count(*) from shadow.revisions") == 1


async def test_s18_accepted_and_delta_of_one_update_share_a_version_in_any_order(own: Device) -> None:
    accepted = await own.update(desired={"a": 1})
    [delta], [documents] = await own.heard("delta", 1), await own.heard("documents", 1)
    assert accepted["version"] == delta["version"] == documents["current"]["version"]
    for first in ("documents", "delta"):
        shadow = DeviceShadow()
        shadow.unread(absent=True)
        if first == "documents":
            shadow.documents(documents)
        assert shadow.delta(delta) == {"a": 1}
        shadow.documents(documents)


async def test_s19_three_wishes_while_away_are_one_delta_on_return(own: Device, cloud: Cloud, pool: Any) -> None:
    edge = own.edge
    edge.sender.disconnect("d1")
    for n in (1, 2, 3):
        await cloud.desire({"a": n})
    await edge.announcer.sweep()
    edge.sender.connect("d1", 2, "iot/v1/d1/shadow/#")
    edge.announcer.on_subscribed(record("d1"), 2, "iot/v1/d1/shadow/#")
    [delta] = await own.heard("delta", 1)
    assert (delta["state"], delta["version"]) == ({"a": 3}, 3)
    await own.update(reported={"a": 3})
    await edge.announcer.sweep()
    assert len(await own.heard("delta", 1)) == 1


@pytest.mark.parametrize("dialect", Dialect)
@pytest.mark.parametrize("name", [None, "config"])
def test_s20_a_device_reaches_its_own_shadows_only(dialect: Dialect, name: str | None) -> None:
    stranger = record("d1", organization="other")
    for verb in ("get", "update", "delete"):
        foreign, mine = topics.shadow("d2", verb, name, dialect), topics.shadow("d1", verb, name, dialect)
        assert policy.may_publish(stranger, topics.parse(foreign)) == "the topic belongs to d2"  # type: ignore[arg-type]
        assert policy.may_publish(stranger, topics.parse(mine)) is None  # type: ignore[arg-type]
        assert policy.may_subscribe(stranger, f"{foreign}/+") is not None
        assert policy.may_subscribe(stranger, f"{mine}/+") is None
    assert policy.may_subscribe(stranger, f"{dialect.value}/+/shadow/get/accepted") is not None


async def test_s21_reporting_the_delta_ends_it(device: Device) -> None:
    desired = {"a": [1, {"b": 2}], "c": {"d": {}, "e": 1.0}, "f": True}
    await device.update(desired=desired, reported={"a": [1], "c": 5, "f": 1, "g": 1})
    state = await device.state()
    await device.update(reported=state["delta"])
    after = await device.state()
    assert "delta" not in after
    assert after["reported"] == merge(state["reported"], state["delta"])


async def test_s22_what_a_killed_process_did_not_send_is_sent_by_the_next(pool: Any, redis: Any) -> None:
    async with make_edge(pool, redis, announce=False) as dying:
        await dying.request("update", {"state": {"desired": {"a": 1}}})
        assert dying.sender.on("/update/delta") == []
    async with make_edge(pool, redis) as edge:
        [delta] = await edge.sender.wait_for("/update/delta")
        assert delta.body["state"] == {"a": 1}


@pytest.mark.parametrize(("code", "state"), [(200, "pending"), (202, "in_progress"), (400, "refused"), (500, "failed")])
async def test_s23_the_device_s_answer_is_what_people_see(own: Device, cloud: Cloud, code: int, state: str) -> None:
    wished = await cloud.desire({"t": 70})
    await own.update(reported={"t": {"value": 55, "ac": code, "av": wished.version, "ad": "above 60 °C"}})
    await until(lambda: len(own.edge.events) == 1, 10.0)
    seen = await cloud.service.get("d1")
    assert seen is not None
    assert seen.progress["t"].state == state
    assert own.edge.events[0].convergence == {"t": state}
    assert (seen.progress["t"].reason == "above 60 °C") is (state != "pending")


# ── pinned: where AWS's pages are silent or disagree ───────────────────────────────────────────────────────────────────


async def test_pinned_numbers_are_compared_by_value_and_booleans_are_no_numbers(device: Device) -> None:
    await device.update(
        desired={"i": 1, "z": 0, "big": 9007199254740993, "b": 1},
        reported={"i": 1.0, "z": -0.0, "big": 9007199254740992, "b": True},
    )
    assert (await device.state())["delta"] == {"big": 9007199254740993, "b": 1}
    assert await device.refused("update", b'{"state": {"reported": {"n": NaN}}}') == 400


async def test_pinned_a_leaf_that_is_written_with_the_same_value_gets_a_new_time(device: Device, pool: Any) -> None:
    await device.update(reported={"a": 1, "l": [1, 2]})
    old = "regexp_replace(metadata::text, '\"timestamp\":\\d+', '\"timestamp\":5', 'g')::json"
    await pool.execute(f"update shadow.documents set metadata = {old}")
    before = (await device.get())["metadata"]["reported"]
    await device.update(reported={"a": 1})
    after = (await device.get())["metadata"]["reported"]
    assert after["a"]["timestamp"] > before["a"]["timestamp"]
    assert after["l"] == before["l"]
    assert isinstance(after["l"]["timestamp"], int)  # pinned: an array has one time


async def test_pinned_a_report_that_leaves_a_difference_sends_the_whole_delta_again(device: Device) -> None:
    for count, change in enumerate(({"desired": {"a": 1, "b": 2}}, {"reported": {"a": 1}}, {"reported": {"c": 1}}), 1):
        await device.update(**change)
        heard = await device.heard("delta", count)  # versions that follow each other quickly may be told as one
    assert [delta["state"] for delta in heard] == [{"a": 1, "b": 2}, {"b": 2}, {"b": 2}]


async def test_pinned_a_deletion_tells_the_documents(device: Device, cloud: Cloud) -> None:
    await device.update(reported={"a": 1})
    await device.heard("documents", 1)  # versions that follow each other quickly may be told as one
    await cloud.service.delete(target(name=device.name or ""), actor="ann")
    device.edge.announcer.wake("d1")
    last = (await device.heard("documents", 2))[-1]
    assert (last["current"]["state"], last["current"]["version"]) == ({}, 2)


async def test_pinned_more_than_ten_requests_in_flight_are_answered_all_the_same(own: Device) -> None:
    await own.edge.lane.commit([delivery("iot/v1/d1/shadow/update", {"state": {"reported": {"n": n}}}) for n in range(50)])
    assert len(await own.edge.sender.wait_for("/update/accepted", 50)) == 50


async def test_pinned_in_the_dialect_of_aws_times_are_seconds_and_nothing_is_added(edge: Edge) -> None:
    device = Device(edge, AWS)
    accepted = await device.update(desired={"a": {"b": 1}})
    assert accepted.keys() == {"state", "metadata", "version", "timestamp"}
    found = await device.get()
    assert found.keys() == {"state", "metadata", "version", "timestamp"}
    assert found["metadata"] == {"desired": {"a": {"b": {"timestamp": accepted["timestamp"]}}}}
    assert 1.6e9 < accepted["timestamp"] < 4e9


async def test_pinned_both_dialects_are_one_document(edge: Edge) -> None:
    own, aws = Device(edge, OWN, "config"), Device(edge, AWS, "config")
    await own.update(desired={"a": 1})
    assert (await aws.update(reported={"a": 1}))["version"] == 2
    assert await own.state() == await aws.state() == {"desired": {"a": 1}, "reported": {"a": 1}}
    assert len(await own.heard("delta", 1)) == len(await aws.heard("delta", 1)) == 1


async def test_two_processes_of_the_api_and_a_device_count_up_together(pool: Any, redis: Any, edge: Edge) -> None:
    """Twenty writers read, add one and write with the version that they have read: nobody gives up, no step is lost."""
    steps = 5
    async with make_cloud(pool, redis) as one, make_cloud(pool, redis) as other:

        async def count_up(cloud: Cloud) -> None:
            done = 0
            while done < steps:
                done += await _one_more(cloud)

        await asyncio.gather(*(count_up((one, other)[n % 2]) for n in range(20)))
        seen = await one.service.get("d1")
    assert seen is not None
    assert seen.state["desired"] == {"count": 20 * steps}
    assert seen.version == 20 * steps


async def _one_more(cloud: Cloud) -> bool:
    seen = await cloud.service.get("d1")
    version, desired = (seen.version, seen.state["desired"]) if seen else (0, {"count": 0})
    try:
        await cloud.desire({"count": desired["count"] + 1}, expected=Expectation(version=version))
    except Conflict:
        return False
    return True
