"""Shadows over REST: merge patches, entity tags, and a type's collection."""

import asyncio

from iotsphere.signals import EDGE_WAKE
from tests.support.cloud import TestCloud

MERGE = {"Content-Type": "application/merge-patch+json"}


async def test_before_the_first_change_it_is_empty(cloud: TestCloud) -> None:
    await cloud.device("pump-1")
    answer = await (await cloud.member("viewer")).get("/api/v1/devices/pump-1/shadow")
    empty = {"state": {}, "metadata": {}, "version": 0, "desired_version": 0, "reported_version": 0, "timestamp": 0}
    assert (answer.json(), answer.headers["etag"]) == ({**empty, "convergence": {}}, '"0"')


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


async def test_the_description_lists_both_forms_of_a_change_as_they_are_taken(cloud: TestCloud) -> None:
    await cloud.device("pump-1")
    operator = await cloud.member("operator")
    described = (await operator.get("/schema/openapi.json")).json()["paths"]
    cases = {"devices/{device}/shadow": {"desired": {"speed": 1}}, "test-pumps/{device}": {"speed": 1}}
    for path, body in cases.items():
        content = described[f"/api/v1/{path}"]["patch"]["requestBody"]["content"]
        assert content.keys() == {"application/merge-patch+json", "application/json"}
        for form in content:
            url = f"/api/v1/{path.format(device='pump-1')}"
            assert (await operator.patch(url, json=body, headers={"Content-Type": form})).status_code == 200, (path, form)


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


async def test_a_reader_with_the_newest_version_gets_no_body(cloud: TestCloud) -> None:
    await cloud.device("pump-1")
    operator = await cloud.member("operator")
    tag = (await operator.patch("/api/v1/devices/pump-1/shadow", json={"desired": {"speed": 1}})).headers["etag"]
    known = await operator.get("/api/v1/devices/pump-1/shadow", headers={"If-None-Match": tag})
    assert (known.status_code, known.content, known.headers["etag"]) == (304, b"", tag)
    assert (await operator.get("/api/v1/devices/pump-1/shadow", headers={"If-None-Match": '"0"'})).status_code == 200


async def test_put_replaces_what_is_desired_and_asks_for_a_condition(cloud: TestCloud) -> None:
    await cloud.device("pump-1")
    operator, path = await cloud.member("operator"), "/api/v1/devices/pump-1/shadow"
    whole = {"desired": {"speed": 5}}
    assert (await operator.put(path, json=whole)).status_code == 428
    assert (await operator.put(path, json=whole, headers={"If-None-Match": "*"})).json()["version"] == 1
    assert (await operator.put(path, json=whole, headers={"If-None-Match": "*"})).status_code == 412
    replaced = await operator.put(path, json={"desired": {"mode": "eco"}}, headers={"If-Match": '"1"'})
    assert (replaced.status_code, replaced.json()["state"]["desired"]) == (200, {"mode": "eco"})
    wrong = await operator.put(path, json={"desired": {"speed": 9000}}, headers={"If-Match": "*"})
    assert (wrong.status_code, wrong.json()["field"]) == (422, "desired.speed")


async def test_a_version_in_the_body_is_exact(cloud: TestCloud) -> None:
    await cloud.device("pump-1")
    operator, path = await cloud.member("operator"), "/api/v1/devices/pump-1/shadow"
    assert (await operator.patch(path, json={"desired": {"speed": 1}, "version": 0})).status_code == 200
    assert (await operator.patch(path, json={"desired": {"speed": 2}, "version": 0})).status_code == 409
    assert (await operator.patch(path, json={"desired": {"speed": 2}, "version": "1"})).status_code == 422


async def test_named_shadows_are_listed_read_changed_and_deleted(cloud: TestCloud) -> None:
    await cloud.device("pump-1")
    operator, base = await cloud.member("operator"), "/api/v1/devices/pump-1"
    assert (await operator.get(f"{base}/shadows/lamp")).status_code == 404
    made = await operator.patch(f"{base}/shadows/lamp", json={"desired": {"on": True, "colour": [1, 2]}})
    assert (made.status_code, made.json()["state"]["delta"]) == (200, {"on": True, "colour": [1, 2]})
    await operator.patch(f"{base}/shadow", json={"desired": {"speed": 1}})
    listed = (await operator.get(f"{base}/shadows")).json()["items"]
    assert [(item["name"], item["version"]) for item in listed] == [("", 1), ("lamp", 1)]
    assert (await operator.delete(f"{base}/shadows/lamp", headers={"If-Match": '"9"'})).status_code == 412
    assert (await operator.delete(f"{base}/shadows/lamp")).status_code == 204
    for path in (f"{base}/shadows/lamp", f"{base}/shadows/never"):
        assert ((await operator.get(path)).status_code, (await operator.delete(path)).status_code) == (404, 404)
    again = await operator.patch(f"{base}/shadows/lamp", json={"desired": {"on": False}}, headers={"If-None-Match": "*"})
    assert (again.json()["version"], again.json()["state"]["desired"]) == (3, {"on": False})
    wrong = await operator.patch(f"{base}/shadows/a.b", json={"desired": {}})
    assert (wrong.status_code, wrong.json()["field"]) == (422, "name")


async def test_the_classic_shadow_that_was_deleted_is_empty_and_counts_on(cloud: TestCloud) -> None:
    await cloud.device("pump-1")
    operator, path = await cloud.member("operator"), "/api/v1/devices/pump-1/shadow"
    await operator.patch(path, json={"desired": {"speed": 1}})
    assert (await operator.delete(path)).status_code == 204
    gone = await operator.get(path)
    assert (gone.json()["state"], gone.headers["etag"]) == ({}, '"2"')
    assert (await operator.patch(path, json={"desired": {"speed": 2}}, headers={"If-Match": "*"})).status_code == 412
    assert (await operator.patch(path, json={"desired": {"speed": 2}}, headers={"If-Match": '"2"'})).json()["version"] == 3


async def test_earlier_states_are_read_by_revision_and_by_time(cloud: TestCloud) -> None:
    await cloud.device("pump-1")
    operator, path = await cloud.member("operator"), "/api/v1/devices/pump-1/shadow"
    documents = [(await operator.patch(path, json={"desired": {"speed": n}})).json() for n in range(1, 71)]
    page = (await operator.get(f"{path}/revisions", params={"limit": 70})).json()
    assert page["next_before"] is None
    revisions = page["items"]
    assert [r["version"] for r in revisions] == list(range(70, 0, -1))
    assert (revisions[0]["actor"], revisions[0]["update"]) == ("tester", {"desired": {"speed": 70}})
    for version in (1, 64, 65, 70):
        assert (await operator.get(path, params={"revision": version})).json() == documents[version - 1]
        at = next(r["at"] for r in revisions if r["version"] == version)
        assert (await operator.get(path, params={"at": at})).json()["version"] >= version
    assert (await operator.get(path, params={"at": revisions[-1]["at"]})).json()["version"] >= 1
    second = (await operator.get(f"{path}/revisions", params={"limit": 2, "before": 69})).json()
    assert ([r["version"] for r in second["items"]], second["next_before"]) == ([68, 67], 67)
    for params in ({"revision": 71}, {"at": "2001-01-01T00:00:00Z"}):
        assert (await operator.get(path, params=params)).status_code == 404
    assert (await operator.get(path, params={"revision": 1, "at": "2001-01-01T00:00:00Z"})).status_code == 422
    assert (await operator.get(path, params={"revision": 0})).status_code == 422


async def test_a_new_owner_is_shown_nothing_older(cloud: TestCloud) -> None:
    await cloud.device("pump-1")
    operator, path = await cloud.member("operator"), "/api/v1/devices/pump-1/shadow"
    await operator.patch(path, json={"desired": {"speed": 1}})
    await cloud.parts.pool.execute('update registry.device_owner set "from" = clock_timestamp() where device_id = $1', "pump-1")
    await operator.patch(path, json={"desired": {"speed": 2}})
    assert [r["version"] for r in (await operator.get(f"{path}/revisions")).json()["items"]] == [2]
    assert (await operator.get(path, params={"revision": 1})).status_code == 404
    assert (await operator.get(path, params={"revision": 2})).status_code == 200


async def test_others_reach_no_shadow_and_viewers_change_none(cloud: TestCloud) -> None:
    await cloud.device("pump-1")
    operator, stranger, viewer = await cloud.member("operator"), await cloud.member("admin", "demo"), await cloud.member("viewer")
    await operator.patch("/api/v1/devices/pump-1/shadows/lamp", json={"desired": {"on": True}})
    for path in ("shadow", "shadows", "shadows/lamp", "shadow/revisions", "shadows/lamp/revisions"):
        assert (await stranger.get(f"/api/v1/devices/pump-1/{path}")).status_code == 404
        assert (await viewer.get(f"/api/v1/devices/pump-1/{path}")).status_code == 200
    for path in ("shadow", "shadows/lamp"):
        for client, status in ((stranger, 404), (viewer, 403)):
            assert (await client.patch(f"/api/v1/devices/pump-1/{path}", json={"desired": {}})).status_code == status
            assert (await client.delete(f"/api/v1/devices/pump-1/{path}")).status_code == status


async def test_a_device_that_does_not_obey_is_found(cloud: TestCloud) -> None:
    for name in ("pump-1", "pump-2"):
        await cloud.device(name)
    operator = await cloud.member("operator")
    assert (await operator.get("/api/v1/devices", params={"has_delta": True})).json()["items"] == []
    document = (await operator.patch("/api/v1/devices/pump-1/shadow", json={"desired": {"speed": 1}})).json()
    assert document["convergence"]["speed"] == {
        "state": "pending", "since": document["convergence"]["speed"]["since"], "code": None, "reason": "",
    }  # fmt: skip

    async def listed(**params: object) -> list[str]:
        return [item["id"] for item in (await operator.get("/api/v1/devices", params=params)).json()["items"]]  # type: ignore[arg-type]

    assert (await listed(has_delta=True), await listed(has_delta=False)) == (["pump-1"], ["pump-2"])
    assert (await listed(stuck_for=0), await listed(stuck_for=3600)) == (["pump-1"], [])
    shown = (await operator.get("/api/v1/devices/pump-1")).json()
    assert (shown["has_delta"], shown["stuck_since"]) == (True, document["convergence"]["speed"]["since"])
    await operator.patch("/api/v1/devices/pump-1/shadow", json={"desired": {"speed": None}})
    assert await listed(has_delta=True) == []
