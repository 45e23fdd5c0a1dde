"""Commands over REST, with the part of `edge` played by the test: it moves the row and says so."""

import asyncio
import json
import time
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest

from cloud_api.domain.commands import service
from commands.command_table import MAX_OPEN
from iotsphere.signals import CLOUD_DONE, EDGE_COMMAND
from tests.support.cloud import TestCloud, running_cloud
from tests.support.pki import Pki
from tests.support.waiting import until

PRIME = {"name": "prime", "params": {"seconds": 3}}


async def answer_next(cloud: TestCloud, status: str, reason: object = None, result: object = None) -> None:
    """Wait for the wake, then answer the newest command of the device as `edge` does."""
    woken = asyncio.Queue[str]()
    async with cloud.heard(EDGE_COMMAND, woken):
        device = await asyncio.wait_for(woken.get(), 5)
        identity = await cloud.parts.pool.fetchval(
            """with answered as (
                   update ops.commands set status = $2, changed_at = now(), reason = $3, result = $4, transitions = 2
                   where id = (select id from ops.commands where device_id = $1 order by created_at desc limit 1) returning id
               ) insert into ops.command_transitions (command_id, n, status, actor) select id, 2, $2, 'device' from answered
               returning command_id""",
            device, status, json.dumps(reason) if reason else None, json.dumps(result) if result else None,
        )  # fmt: skip
        await cloud.parts.signals.send(CLOUD_DONE, identity)


async def give(client: httpx.AsyncClient, body: object = PRIME, query: str = "", **headers: str) -> httpx.Response:
    return await client.post(f"/api/v1/devices/pump-1/commands{query}", json=body, headers=headers)


async def give_answered(cloud: TestCloud, operator: httpx.AsyncClient, status: str, **answer: Any) -> httpx.Response:
    edge = asyncio.create_task(answer_next(cloud, status, **answer))
    await asyncio.sleep(0.05)  # let it listen
    given = await give(operator, query="?wait=10")
    await edge
    return given


async def test_a_command_is_accepted_and_can_be_followed(cloud: TestCloud) -> None:
    await cloud.device("pump-1")
    operator = await cloud.member("operator")
    given = await give(operator)
    command = given.json()
    assert (given.status_code, command["status"], command["actor"]) == (202, "queued", "tester")
    assert (command["params"], command["simulated"]) == ({"seconds": 3}, False)
    assert [t["status"] for t in command["transitions"]] == ["queued"]
    assert given.headers["location"] == f"/api/v1/commands/{command['id']}"
    assert (await operator.get(given.headers["location"])).json() == command
    second = (await give(operator, {"name": "stop"})).json()
    listed = (await operator.get("/api/v1/devices/pump-1/commands")).json()["items"]
    assert [c["id"] for c in listed] == [second["id"], command["id"]]
    assert len((await operator.get("/api/v1/devices/pump-1/commands?limit=1")).json()["items"]) == 1


async def test_waiting_ends_with_the_answer(cloud: TestCloud) -> None:
    await cloud.device("pump-1")
    operator = await cloud.member("operator")
    began = time.monotonic()
    given = await give_answered(cloud, operator, "succeeded", result={"litres": 2})
    assert time.monotonic() - began < 3
    assert (given.status_code, given.json()["status"], given.json()["result"]) == (200, "succeeded", {"litres": 2})


async def test_a_wait_that_runs_out_leaves_the_command_open(cloud: TestCloud) -> None:
    await cloud.device("pump-1", kind="simulated")
    given = await give(await cloud.member("operator"), query="?wait=0.2")
    assert (given.status_code, given.json()["status"]) == (202, "queued")
    assert given.headers["x-data-source"] == "simulation"


async def test_who_waits_while_cloud_ends_is_answered_with_the_command_as_it_is(
    pki: Pki, migrated_dsn: str, valkey_url: str
) -> None:
    async with AsyncExitStack() as clients:
        async with running_cloud(pki, migrated_dsn, valkey_url) as cloud:
            await cloud.device("pump-1")
            headers = {"Authorization": f"Bearer {cloud.token('operator')}"}
            client = httpx.AsyncClient(base_url=cloud.url, headers=headers, timeout=20, trust_env=False, verify=False)
            operator = await clients.enter_async_context(client)  # lives longer than cloud
            waiting = [asyncio.create_task(give(operator, {"name": "stop"}, "?wait=30")) for _ in range(3)]

            async def committed() -> bool:
                return await cloud.parts.pool.fetchval("select count(*) from ops.commands") == 3

            await until(committed)
        answers = await asyncio.gather(*waiting)
        assert [(a.status_code, a.json()["status"]) for a in answers] == [(202, "queued")] * 3


async def test_bad_ends_are_problems_that_hold_the_command(cloud: TestCloud) -> None:
    await cloud.device("pump-1")
    operator = await cloud.member("operator")
    reason = {"code": "DRY", "text": "there is no water"}
    for status, code in [("failed", 424), ("rejected", 424), ("expired", 410), ("timed_out", 504), ("cancelled", 409)]:
        given = await give_answered(cloud, operator, status, reason=reason)
        problem = given.json()
        assert (given.status_code, problem["status"]) == (code, code), status
        assert given.headers["content-type"] == "application/problem+json"
        assert problem["detail"].endswith("there is no water")
        assert (problem["command"]["status"], problem["command"]["reason"]) == (status, reason)


async def test_one_key_gives_one_command(cloud: TestCloud) -> None:
    await cloud.device("pump-1")
    operator = await cloud.member("operator")
    answers = await asyncio.gather(*(give(operator, **{"Idempotency-Key": "k1"}) for _ in range(4)))
    assert len({a.json()["id"] for a in answers}) == 1
    assert len((await operator.get("/api/v1/devices/pump-1/commands")).json()["items"]) == 1
    assert (await give(operator, {"name": "stop"}, **{"Idempotency-Key": "k1"})).status_code == 409
    assert (await give(operator, **{"Idempotency-Key": "k2"})).json()["id"] != answers[0].json()["id"]


async def test_what_is_wrong_is_named(cloud: TestCloud) -> None:
    await cloud.device("pump-1")
    operator = await cloud.member("operator")
    cases: list[tuple[object, str]] = [
        ({"name": "fly"}, "name"),
        ({"name": "prime"}, "params.seconds"),
        ({"name": "prime", "params": {"seconds": 99}}, "params.seconds"),
        ({"name": "stop", "params": {"x": 1}}, "params.x"),
        ({**PRIME, "timeout": 0}, "timeout"),
        ({**PRIME, "a": 1}, "a"),
        ({}, "name"),
    ]
    for body, field in cases:
        answer = await give(operator, body)
        assert (answer.status_code, answer.json()["field"]) == (422, field), body
    assert (await give(operator, query="?wait=61")).status_code == 422
    assert await cloud.parts.pool.fetchval("select count(*) from ops.commands") == 0


async def test_cancelling(cloud: TestCloud) -> None:
    await cloud.device("pump-1")
    operator = await cloud.member("operator")
    first, second = [(await give(operator)).json()["id"] for _ in range(2)]
    assert (await operator.delete(f"/api/v1/commands/{first}")).json()["status"] == "cancelled"
    assert (await operator.post(f"/api/v1/commands/{second}/cancel")).json()["status"] == "cancelled"
    assert (await operator.delete(f"/api/v1/commands/{first}")).status_code == 409
    assert (await operator.get(f"/api/v1/commands/{first}")).json()["status"] == "cancelled"


async def test_a_disabled_device_takes_no_commands(cloud: TestCloud) -> None:
    await cloud.device("pump-1")
    admin = await cloud.member("admin")
    await admin.post("/api/v1/devices/pump-1/disable")
    answer = await give(admin)
    assert (answer.status_code, answer.json()["detail"]) == (409, "pump-1 is disabled and takes no commands")


async def test_the_list_is_paged_and_filtered(cloud: TestCloud) -> None:
    await cloud.device("pump-1")
    operator = await cloud.member("operator")
    ids = [(await give(operator)).json()["id"] for _ in range(3)]
    await operator.delete(f"/api/v1/commands/{ids[0]}")
    url = "/api/v1/devices/pump-1/commands"
    first = (await operator.get(f"{url}?limit=2")).json()
    rest = (await operator.get(f"{url}?limit=2&cursor={first['next_cursor']}")).json()
    assert [c["id"] for c in (*first["items"], *rest["items"])] == ids[::-1]
    assert rest["next_cursor"] is None
    for query, found in (("cancelled", ids[:1]), ("queued", ids[:0:-1]), ("queued&status=cancelled", ids[::-1])):
        assert [c["id"] for c in (await operator.get(f"{url}?status={query}")).json()["items"]] == found, query
    for query, field in (("status=gone", "status"), ("cursor=x", "cursor")):
        wrong = await operator.get(f"{url}?{query}")
        assert (wrong.status_code, wrong.json()["field"]) == (422, field)


async def test_every_wrong_parameter_is_told(cloud: TestCloud) -> None:
    await cloud.device("pump-1")
    operator = await cloud.member("operator")
    answer = await give(operator, {"name": "prime", "params": {"seconds": 99, "x": 1}})
    assert {e["field"]: e["reason"] for e in answer.json()["errors"]} == {
        "params.seconds": "must be at most 60 s", "params.x": "prime has no such parameter",
    }  # fmt: skip
    answer = await give(operator, {"name": "speed", "params": {}})
    assert (answer.status_code, "set desired.speed" in answer.json()["detail"]) == (422, True)


async def test_a_full_lane_is_a_conflict(cloud: TestCloud) -> None:
    await cloud.device("pump-1")
    operator = await cloud.member("operator")
    await asyncio.gather(*(give(operator) for _ in range(MAX_OPEN)))
    refused = await give(operator)
    assert (refused.status_code, refused.json()["detail"]) == (409, "100 commands of pump-1 are not final yet")


async def test_another_organization_finds_no_command(cloud: TestCloud) -> None:
    await cloud.organization("rivals")
    await cloud.device("pump-1")
    command = (await give(await cloud.member("operator"))).json()["id"]
    rival = await cloud.member("operator", "rivals")
    assert (await give(rival)).status_code == 404
    assert (await rival.get("/api/v1/devices/pump-1/commands")).status_code == 404
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/cancel")):
        assert (await rival.request(method, f"/api/v1/commands/{command}{path}")).status_code == 404


async def test_who_gave_a_command_before_is_judged_anew(cloud: TestCloud) -> None:
    await cloud.organization("rivals")
    await cloud.device("pump-1")
    admin, rival = await cloud.member("admin"), await cloud.member("operator", "rivals")
    count = "select count(*) from ops.commands"
    for number in range(1, 4):
        assert (await give(admin)).status_code == 202
        assert await cloud.parts.pool.fetchval(count) == number
    await admin.post("/api/v1/devices/pump-1/disable")
    for _ in range(2):
        refused = await give(admin)
        assert (refused.status_code, refused.json()["detail"]) == (409, "pump-1 is disabled and takes no commands")
    await admin.post("/api/v1/devices/pump-1/enable")
    assert (await give(admin)).status_code == 202
    await cloud.parts.pool.execute("update registry.devices set organization_id = 'rivals'")
    for headers in ({}, {"Idempotency-Key": "k"}):
        assert (await give(admin, **headers)).status_code == 404
    assert (await give(rival)).status_code == 202
    assert await cloud.parts.pool.fetchval(f"{count} where organization_id = 'rivals'") == 1
    assert await cloud.parts.pool.fetchval(count) == 5
    await cloud.parts.pool.execute("update registry.devices set organization_id = 'default', device_type = 'other'")
    wrong = await give(admin)
    assert (wrong.status_code, wrong.json()["field"]) == (422, "device_type")


async def test_what_was_seen_is_forgotten_when_it_is_too_much(cloud: TestCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "REMEMBERED", 2)
    operator = await cloud.member("operator")
    for name in ("pump-1", "pump-2", "pump-3"):
        await cloud.device(name)
    for name in ("pump-1", "pump-2", "pump-3", "pump-1", "pump-3"):
        given = await operator.post(f"/api/v1/devices/{name}/commands", json=PRIME)
        assert (given.status_code, given.json()["device"]) == (202, name)
