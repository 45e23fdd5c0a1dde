"""Live values in the browser: who hears what, how often, and until when."""

import asyncio
import time

import pytest
import socketio

from iotsphere.events import (
    CommandChanged,
    DeviceStatus,
    MessageRefused,
    ShadowChanged,
    TelemetryEnvelope,
)
from tests.support.cloud import Browser, TestCloud


def envelope(device: str, *values: float, measurement: str = "flow", simulated: bool = False) -> TelemetryEnvelope:
    now = int(time.time() * 1000)
    return TelemetryEnvelope(sent_at=now, points=[(device, now + i, measurement, v, simulated) for i, v in enumerate(values)])


def values(messages: list[dict[str, object]]) -> list[float]:
    return [point[3] for message in messages for point in message["points"]]  # type: ignore[attr-defined]


async def joined(cloud: TestCloud, *rooms: str, organization: str = "default", every: bool = False) -> Browser:
    browser = await cloud.browser(cloud.token("viewer", organization, every=every))
    for room in rooms:
        assert await browser.join(room) == {"ok": True}, room
    return browser


async def test_a_quiet_room_hears_at_once(cloud: TestCloud) -> None:
    await cloud.device("pump-1")
    browser = await joined(cloud, "device:pump-1")
    for number in range(3):
        began = time.monotonic()
        await cloud.parts.bus.publish(envelope("pump-1", float(number)))
        await browser.hears("telemetry", number + 1)
        assert time.monotonic() - began < 0.2
        await asyncio.sleep(0.3)
    first = browser.events("telemetry")[0]
    assert (first["room"], first["seq"], first["simulated"], first["truncated"]) == ("device:pump-1", 1, False, False)
    assert first["points"][0][0::2] == ["pump-1", "flow", False]
    assert [m["seq"] for m in browser.events("telemetry")] == [1, 2, 3]


async def test_a_busy_room_hears_four_times_a_second_and_everything(cloud: TestCloud) -> None:
    await cloud.device("pump-1")
    browser = await joined(cloud, "device:pump-1")
    for number in range(100):
        await cloud.parts.bus.publish(envelope("pump-1", float(number)))
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.4)
    messages = browser.events("telemetry")
    assert 4 <= len(messages) <= 8
    assert values(messages) == [float(n) for n in range(100)]


async def test_a_room_of_many_hears_the_newest_200_a_tick(cloud: TestCloud) -> None:
    for number in range(250):
        await cloud.device(f"pump-{number}")
    browser = await joined(cloud, "org:default", "type:test_pump")
    now = int(time.time() * 1000)
    points = [(f"pump-{n}", float(now), "flow", float(n), False) for n in range(250)]
    await cloud.parts.bus.publish(TelemetryEnvelope(sent_at=now, points=points))
    await browser.hears("telemetry", 4)
    of_org = [m for m in browser.events("telemetry") if m["room"] == "org:default"]
    assert [(len(m["points"]), m["truncated"]) for m in of_org] == [(200, True), (50, False)]
    assert sorted(values(of_org)) == [float(n) for n in range(250)]
    assert sorted(values([m for m in browser.events("telemetry") if m["room"] == "type:test_pump"])) == sorted(values(of_org))


async def test_simulation_is_flagged_in_every_payload(cloud: TestCloud) -> None:
    await cloud.device("sim", "demo", "simulated")
    browser = await joined(cloud, "device:sim", organization="demo")
    common = {"device": "sim", "organization": "demo", "at": 1}
    bus = cloud.parts.bus
    await bus.publish(envelope("sim", 1.0, simulated=True))
    await bus.publish(
        DeviceStatus(**common, device_type="test_pump", simulated=True, connected=True, session=7, reason="connected")  # type: ignore[arg-type]
    )
    await bus.publish(CommandChanged(**common, id="c", name="stop", status="sent"))  # type: ignore[arg-type]
    await bus.publish(ShadowChanged(**common, name="", version=2, delta={"speed": 1}))  # type: ignore[arg-type]
    await bus.publish(MessageRefused(device="sim", category="acl", reason="not yours", at=1))
    for name in ("telemetry", "status", "command", "shadow", "refused"):
        assert (await browser.hears(name))[0]["simulated"] is True, name
    assert browser.events("status")[0]["session"] == 7
    assert browser.events("shadow")[0]["delta"] == {"speed": 1}


async def test_rooms_are_joined_only_when_allowed(cloud: TestCloud) -> None:
    await cloud.device("demo-pump", "demo")
    stranger = await cloud.browser(cloud.token("viewer", "default", user="ann"))
    for room in (
        "device:demo-pump",
        "device:nope",
        "org:demo",
        "org:*",
        "org:",
        "type:toaster",
        "user:bob",
        "secret",
        "",
        "device:",
    ):
        assert (await stranger.join(room))["ok"] is False, room
    foreign, unknown = [(await stranger.join(r))["error"] for r in ("device:demo-pump", "device:nope-pump")]
    assert foreign.replace("demo-pump", "x") == unknown.replace("nope-pump", "x")
    assert (await stranger.client.call("join", None))["ok"] is False
    assert (await stranger.client.call("join", {"room": ["org:demo"]}))["ok"] is False
    for room in ("org:default", "type:test_pump", "user:ann"):
        assert await stranger.join(room) == {"ok": True}, room


async def test_a_type_room_holds_only_what_one_may_see(cloud: TestCloud) -> None:
    await cloud.device("mine")
    await cloud.device("theirs", "demo")
    narrow = await joined(cloud, "type:test_pump", "org:default")
    wide = await joined(cloud, "type:test_pump", "org:*", every=True)
    for device in ("theirs", "mine"):
        await cloud.parts.bus.publish(envelope(device, 1.0))
        await cloud.parts.bus.publish(MessageRefused(device=device, category="acl", reason="no", at=1))
    await wide.hears("refused", 2)
    await narrow.hears("refused", 1)
    await narrow.hears("telemetry", 2)
    await asyncio.sleep(0.3)
    assert "theirs" not in str(narrow.heard)
    assert {p[0] for m in wide.events("telemetry") for p in m["points"]} == {"mine", "theirs"}


async def test_a_device_that_changes_hands_falls_silent_for_its_old_owner(cloud: TestCloud) -> None:
    await cloud.device("pump-1", "demo")
    old = await joined(cloud, "device:pump-1", organization="demo")
    await cloud.parts.bus.publish(envelope("pump-1", 1.0))
    await old.hears("telemetry")
    await cloud.parts.pool.execute(
        "update registry.devices set organization_id = 'default', changed_at = clock_timestamp() where id = 'pump-1'"
    )
    await asyncio.sleep(1.3)  # a sweep of the directory
    new = await joined(cloud, "device:pump-1")
    await cloud.parts.bus.publish(envelope("pump-1", 2.0))
    assert values(await new.hears("telemetry")) == [2.0]
    assert values(old.events("telemetry")) == [1.0]


async def test_who_left_hears_no_more(cloud: TestCloud) -> None:
    await cloud.device("pump-1")
    stays, leaves = [await joined(cloud, "device:pump-1") for _ in range(2)]
    await leaves.leave("device:pump-1")
    await cloud.parts.bus.publish(envelope("pump-1", 1.0))
    await stays.hears("telemetry")
    assert leaves.events("telemetry") == []


async def test_a_session_ends_with_its_token(cloud: TestCloud) -> None:
    browser = await cloud.browser(cloud.token(ttl=0.7))
    assert await browser.join("org:default") == {"ok": True}
    assert await browser.hears("expired") == [{}]
    async with asyncio.timeout(3):
        await browser.client.wait()
    assert not browser.client.connected


async def test_without_a_token_nobody_gets_in(cloud: TestCloud) -> None:
    for auth in ({"token": "x.y.z"}, {"token": cloud.token(ttl=-1)}, {}, {"token": ["x"]}):
        client = socketio.AsyncClient(reconnection=False)
        with pytest.raises(socketio.exceptions.ConnectionError):
            await client.connect(cloud.url, auth=auth, transports=["websocket"], wait_timeout=3)
        await client.disconnect()


async def test_requests_of_one_client_are_answered_in_turn(cloud: TestCloud) -> None:
    browser = await cloud.browser(cloud.token())
    answers = await asyncio.gather(*(browser.join(f"device:nope-{n}") for n in range(50)))
    assert [a["ok"] for a in answers] == [False] * 50
    assert await browser.join("org:default") == {"ok": True}


async def test_readings_are_counted_for_the_fleet(cloud: TestCloud) -> None:
    await cloud.device("pump-1")
    browser = await joined(cloud, "device:pump-1")
    await cloud.parts.bus.publish(envelope("pump-1", 1.0, 2.0, 3.0))
    await browser.hears("telemetry")
    assert (await (await cloud.member("viewer")).get("/api/v1/fleet/summary")).json()["points_last_minute"] == 3
    assert (await (await cloud.member("viewer", "demo")).get("/api/v1/fleet/summary")).json()["points_last_minute"] == 0
