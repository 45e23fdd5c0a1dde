"""Shadows over REST: merge patches, entity tags, and a type's collection."""

import asyncio

from iotsphere.signals import EDGE_WAKE
from tests.support.cloud import TestCloud

MERGE = {"Content-Type": "application/merge-patch+json"}


async def test_before_the_first_change_it_is_empty(cloud: TestCloud) -> None:
    await cloud.device("pump-1")
    answer = await (await cloud.member("viewer")).get("/api/v1/devices/pump-1/shadow")
    assert (answer.json(), answer.headers["etag"]) == ({"state": {}, "metadata": {}, "version": 0, "timestamp": 0}, '"0"')


async def test_a_patch_merges_and_null_removes_and_edge_is_woken(cloud: TestCloud) -> None:
    await cloud.device("pump-1")
    operator, woken = await cloud.member("operator"), asyncio.Queue[str]()
    async with cloud.heard(EDGE_WAKE, woken):
        for change in ({"speed": 100, "mode": "eco"}, {"mode": None}, {"speed": 200}):
            answer = await operator.patch("/api/v1/devices/pump-1/shadow", json={"desired": change}, headers=MERGE)
            assert answer.status_code == 200
        assert await asyncio.wait_for(woken.get(), 5) == "pump-1"
    found = await operator.get("/api/v1/devices/pump-1/shadow")
    assert found.json()["state"] == {"desired": {"speed": 200}, "delta": {"speed": 200}}
    assert (found.json()["version"], found.headers["etag"]) == (3, '"3"')
    assert answer.json() == found.json()
    actor = await cloud.parts.pool.fetchval("select actor from shadow.revisions where version = 3")
    assert actor == "tester"


async def test_if_match_guards_a_change(cloud: TestCloud) -> None:
    await cloud.device("pump-1")
    operator = await cloud.member("operator")

    async def patch(tag: str, speed: int) -> int:
        headers = {**MERGE, "If-Match": tag}
        return (
            await operator.patch("/api/v1/devices/pump-1/shadow", json={"desired": {"speed": speed}}, headers=headers)
        ).status_code

    assert await patch("*", 1) == 412  # there is none yet
    assert await patch('"0"', 2) == 200
    assert await patch('"0"', 3) == 412
    assert await patch('W/"1"', 4) == 412
    assert await patch('"elsewhere"', 4) == 412
    assert await patch("1", 4) == 422
    assert await patch("*", 5) == 200
    assert await patch('"2"', 6) == 200
    assert (await operator.get("/api/v1/devices/pump-1/shadow")).json()["state"]["desired"] == {"speed": 6}
    refused = await operator.patch("/api/v1/devices/pump-1/shadow", json={"desired": {}}, headers={**MERGE, "If-Match": '"9"'})
    assert (refused.status_code, refused.json()["detail"]) == (412, "there is no version 9 yet: the shadow is at 3")


async def test_the_description_tells_the_rule_of_if_match(cloud: TestCloud) -> None:
    described = (await (await cloud.http()).get("/schema/openapi.json")).json()["paths"]
    for path in ("/api/v1/devices/{device}/shadow", "/api/v1/test-pumps/{device}"):
        change = described[path]["patch"]
        (header,) = [p for p in change["parameters"] if p["name"] == "If-Match"]
        assert "holds while desired has not been written since" in header["description"]
        assert "no such version yet" in change["responses"]["412"]["description"]


async def test_of_two_changes_to_one_version_one_wins(cloud: TestCloud) -> None:
    await cloud.device("pump-1")
    operator = await cloud.member("operator")
    headers = {**MERGE, "If-Match": '"0"'}
    answers = await asyncio.gather(*(
        operator.patch("/api/v1/devices/pump-1/shadow", json={"desired": {"speed": i}}, headers=headers) for i in range(5)
    ))  # fmt: skip
    assert sorted(a.status_code for a in answers) == [200, 412, 412, 412, 412]


async def test_what_is_wrong_is_named_as_it_was_written(cloud: TestCloud) -> None:
    await cloud.device("pump-1")
    operator = await cloud.member("operator")
    cases = [
        ({"desired": {"speed": "fast"}}, "desired.speed"), ({"desired": {"speed": 9000}}, "desired.speed"),
        ({"desired": {"hours": 1}}, "desired.hours"), ({"desired": {"colour": 1}}, "desired.colour"),
        ({"reported": {"speed": 1}}, "reported"), ({"desired": None}, "desired"), ({}, "desired"), ([], "body"),
    ]  # fmt: skip
    for body, field in cases:
        answer = await operator.patch("/api/v1/devices/pump-1/shadow", json=body, headers=MERGE)
        assert (answer.status_code, answer.json()["field"]) == (422, field), body
    text = await operator.patch("/api/v1/devices/pump-1/shadow", content="{}", headers={"Content-Type": "text/plain"})
    assert (text.status_code, text.headers["accept-patch"]) == (415, "application/merge-patch+json")


async def test_a_collection_shows_a_device_as_its_type_describes_it(cloud: TestCloud) -> None:
    await cloud.device("pump-1")
    await cloud.device("other-1", device_type="unheard_of")
    await cloud.readings("pump-1", "flow", [1.5])
    operator = await cloud.member("operator")
    answer = await operator.patch("/api/v1/test-pumps/pump-1", json={"speed": 100}, headers=MERGE)
    pump = answer.json()
    assert (pump["desired"], pump["properties"], pump["version"]) == ({"speed": 100}, {}, 1)
    assert (pump["measurements"]["flow"]["value"], pump["connected"], pump["stale"]) == (1.5, False, False)
    assert answer.headers["etag"] == '"1"'
    assert (await operator.get("/api/v1/test-pumps/pump-1")).json() == pump
    listed = (await operator.get("/api/v1/test-pumps")).json()["items"]
    assert [item["id"] for item in listed] == ["pump-1"]
    for call in (operator.get("/api/v1/test-pumps/other-1"), operator.patch("/api/v1/test-pumps/other-1", json={"speed": 1})):
        assert (await call).status_code == 404
    wrong = await operator.patch("/api/v1/test-pumps/pump-1", json={"speed": "fast"})
    assert (wrong.status_code, wrong.json()["field"]) == (422, "speed")
    stale = await operator.patch("/api/v1/test-pumps/pump-1", json={"speed": 1}, headers={"If-Match": '"0"'})
    assert stale.status_code == 412
    command = await operator.post("/api/v1/test-pumps/pump-1/commands", json={"name": "stop"})
    assert (command.status_code, command.json()["device"]) == (202, "pump-1")
    assert (await operator.get("/api/v1/test-pumps/other-1")).json()["detail"] == "other-1 is no test pump"
    stranger = await cloud.member("operator", "demo")
    assert (await stranger.get("/api/v1/test-pumps/other-1")).json()["detail"] == "there is no device other-1"


async def test_a_collection_is_described_by_its_type(cloud: TestCloud) -> None:
    described = (await (await cloud.http()).get("/schema/openapi.json")).json()
    body = described["paths"]["/api/v1/test-pumps/{device}"]["patch"]["requestBody"]["content"]["application/merge-patch+json"]
    assert body["schema"]["properties"]["speed"] == {
        "title": "Speed", "type": ["integer", "null"], "minimum": 0, "maximum": 3000,
        "description": "1/min, at least 0, at most 3000",
    }  # fmt: skip
    assert body["schema"]["properties"]["mode"]["enum"] == ["eco", "full", None]
    assert set(body["schema"]["properties"]) == {"speed", "mode"}
