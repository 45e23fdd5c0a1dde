"""Dead letters through the API. What a replay does is in integration/ingest/test_replay.py; here `edge` is played."""

import asyncio
import base64
from typing import Any

from iotsphere.signals import EDGE_REPLAY
from tests.support.cloud import TestCloud
from tests.support.waiting import until


async def bury(cloud: TestCloud, device: str, payload: bytes = b'{"t":1}', category: str = "store", **more: Any) -> int:
    number = await cloud.parts.telemetry_pool.fetchval(
        """insert into telemetry.dead_letters (device_id, organization_id, topic, payload, category, reason, size, at)
           values ($1, $2, 'iot/v1/' || $1 || '/telemetry', $3, $4, $5, $6, now() - make_interval(hours => $7)) returning id""",
        device, more.get("organization", "default"), payload, category, more.get("reason", "because"),
        more.get("size", len(payload)), more.get("hours", 0),
    )  # fmt: skip
    return int(number)


async def test_they_are_listed_by_page_and_filter(cloud: TestCloud) -> None:
    numbers = [await bury(cloud, f"d-{i % 2}", hours=10 - i, reason=f"reason {i}") for i in range(5)]
    viewer = await cloud.member("viewer")
    first = (await viewer.get("/api/v1/dead-letters?limit=3")).json()
    rest = (await viewer.get(f"/api/v1/dead-letters?limit=3&cursor={first['next_cursor']}")).json()
    assert [letter["id"] for page in (first, rest) for letter in page["items"]] == numbers[::-1]
    assert rest["next_cursor"] is None
    assert first["lost"] == {"letters": 0, "newest": None}
    for query, some in [
        ("device=d-1", [3, 1]), ("category=clock", []), ("reason=REASON%204", [4]), ("device=d-0&reason=2", [2]),
        ("organization=demo", []), (f"from={first['items'][2]['at'].replace('+', '%2B')}", [4, 3, 2]),
    ]:  # fmt: skip
        found = (await viewer.get(f"/api/v1/dead-letters?{query}")).json()["items"]
        assert [letter["id"] for letter in found] == [numbers[i] for i in some], query
    for query, field in [
        ("cursor=x", "cursor"),
        ("cursor=²", "cursor"),
        ("category=other", "category"),
        ("from=noon", "from"),
        ("colour=1", "colour"),
    ]:
        answer = await viewer.get(f"/api/v1/dead-letters?{query}")
        assert (answer.status_code, answer.json()["field"]) == (422, field)
    named = await viewer.get("/api/v1/dead-letters?category=other")
    assert named.json()["errors"][0]["reason"] == "must be one of validation, clock, conflict, store"
    named = await (await cloud.member("operator")).post("/api/v1/dead-letters/replay", json={"category": "other"})
    assert named.json()["errors"][0]["reason"] == "must be one of validation, clock, conflict, store"


async def test_one_is_shown_with_its_payload_decoded_as_far_as_possible(cloud: TestCloud) -> None:
    whole, cut = await bury(cloud, "d-1"), await bury(cloud, "d-1", b'{"values": {', size=5000)
    viewer = await cloud.member("viewer")
    found = (await viewer.get(f"/api/v1/dead-letters/{whole}")).json()
    assert found["payload"] == {"format": "json", "text": '{\n  "t": 1\n}', "base64": base64.b64encode(b'{"t":1}').decode()}
    assert (found["topic"], found["reason"], found["cut"]) == ("iot/v1/d-1/telemetry", "because", False)
    found = (await viewer.get(f"/api/v1/dead-letters/{cut}")).json()
    assert (found["cut"], found["size"], found["payload"]["format"]) == (True, 5000, "text")


async def test_a_replay_is_asked_for_and_its_outcome_told(cloud: TestCloud) -> None:
    number, other = await bury(cloud, "d-1"), await bury(cloud, "d-1")
    operator = await cloud.member("operator")
    nudges: asyncio.Queue[str] = asyncio.Queue()
    async with cloud.heard(EDGE_REPLAY, nudges):
        answer = await operator.post("/api/v1/dead-letters/replay?wait=0", json={"ids": [number, other, 77]})
        asked = answer.json()
        assert (answer.status_code, asked["asked"], asked["waiting"], asked["done"]) == (202, 2, 2, False)
        assert await asyncio.wait_for(nudges.get(), 5) == asked["id"]
    where = answer.headers["location"]
    assert (await operator.get(where)).json() == asked
    assert (await operator.get(f"/api/v1/dead-letters/{number}")).json()["waiting"] is True
    again = (await operator.post(f"/api/v1/dead-letters/{number}/replay?wait=0")).json()
    assert (again["asked"], again["done"]) == (0, True)
    pool = cloud.parts.telemetry_pool
    await pool.execute("delete from telemetry.dead_letters where id = $1", number)
    await pool.execute("update telemetry.replays set came_through = 1 where id = $1", asked["id"])
    await pool.execute("update telemetry.dead_letters set replay = null, replays = 1 where id = $1", other)
    await pool.execute("update telemetry.replays set failed = 1 where id = $1", asked["id"])
    done = (await operator.get(where)).json()
    assert (done["came_through"], done["failed"], done["waiting"], done["dropped"], done["done"]) == (1, 1, 0, 0, True)


async def test_the_answer_waits_for_the_end_of_the_replay(cloud: TestCloud) -> None:
    await bury(cloud, "d-1")
    operator = await cloud.member("operator")
    call = asyncio.create_task(operator.post("/api/v1/dead-letters/replay?wait=20", json={"device": "d-1"}))
    pool = cloud.parts.telemetry_pool

    async def settle() -> bool:
        return await pool.execute("delete from telemetry.dead_letters where replay is not null") != "DELETE 0"

    await until(settle, timeout=10)
    answer = await call
    assert (answer.status_code, answer.json()["asked"], answer.json()["dropped"]) == (200, 1, 1)


async def test_all_is_meant_only_when_it_is_said(cloud: TestCloud) -> None:
    for device in ("d-1", "d-1", "d-2", "d-3"):
        await bury(cloud, device)
    admin = await cloud.member("admin")
    for path in ("replay", "drop"):
        answer = await admin.post(f"/api/v1/dead-letters/{path}", json={})
        assert (answer.status_code, answer.json()["field"]) == (422, "all")
        assert (await admin.post(f"/api/v1/dead-letters/{path}", json={"id": [1]})).json()["field"] == "id"
    assert (await admin.post("/api/v1/dead-letters/drop", json={"device": "d-1"})).json() == {"dropped": 2}
    [left, _] = (await admin.get("/api/v1/dead-letters")).json()["items"]
    assert (await admin.delete(f"/api/v1/dead-letters/{left['id']}")).status_code == 204
    assert (await admin.delete(f"/api/v1/dead-letters/{left['id']}")).status_code == 404
    assert (await admin.post("/api/v1/dead-letters/drop", json={"all": True})).json() == {"dropped": 1}
