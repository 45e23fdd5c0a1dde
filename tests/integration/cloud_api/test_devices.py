"""The registry through the API: adding, certificates, life cycle, what was refused."""

import asyncio
import io
import ssl
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from device_sdk import Credentials
from iotsphere.identity import DEVICE_ID_RULE, peer_certificate
from iotsphere.signals import EDGE_REGISTRY
from tests.support.cloud import TestCloud
from tests.support.pki import Pki

NEW = {"id": "pump-1", "device_type": "test_pump"}


async def test_a_device_is_added_with_what_its_type_says(cloud: TestCloud) -> None:
    operator = await cloud.member("operator", "demo")
    answer = await operator.post("/api/v1/devices", json=NEW)
    device = answer.json()
    assert (answer.status_code, answer.headers["location"]) == (201, "/api/v1/devices/pump-1")
    assert (device["organization"], device["manufacturer"], device["status"]) == ("demo", "Acme", "registered")
    assert (device["presence"], device["last_data_at"], device["stale"], device["latest"]) == (None, None, False, {})
    assert (await operator.get("/api/v1/devices/pump-1")).json() == device
    owner = await cloud.parts.pool.fetchrow("select * from registry.device_owner where device_id = 'pump-1'")
    assert owner is not None
    assert owner["organization_id"] == "demo"
    assert await cloud.parts.pool.fetchval("select model from asset.assets where device_id = 'pump-1'") == "P1"


async def test_what_is_wrong_with_a_new_device_is_named(cloud: TestCloud) -> None:
    operator = await cloud.member("operator")
    cases = [
        ({**NEW, "id": "no/slash"}, 422, "id"),
        ({**NEW, "id": "x" * 65}, 422, "id"),
        ({**NEW, "device_type": "toaster"}, 422, "device_type"),
        ({**NEW, "organization": "nowhere"}, 422, "organization"),
        ({**NEW, "colour": "red"}, 422, "colour"),
        ({"id": "pump-1"}, 422, "device_type"),
    ]
    for body, status, field in cases:
        answer = await operator.post("/api/v1/devices", json=body)
        assert (answer.status_code, answer.json()["field"]) == (status, field), body


async def test_all_that_is_wrong_with_a_new_device_is_named_at_once(cloud: TestCloud) -> None:
    operator = await cloud.member("operator")
    cases: list[tuple[dict[str, object], list[str]]] = [
        ({"id": "no/slash", "device_type": "toaster", "organization": "nowhere"}, ["id", "device_type", "organization"]),
        ({"device_type": "toaster", "organization": "nowhere", "id": "pump-1"}, ["device_type", "organization"]),
        ({"id": "no/slash", "manufacturer": "", "simulated": "perhaps", "colour": "red"},
         ["id", "device_type", "manufacturer", "simulated", "colour"]),
    ]  # fmt: skip
    for body, fields in cases:
        answer = (await operator.post("/api/v1/devices", json=body)).json()
        assert (answer["status"], answer["field"]) == (422, fields[0])
        assert [wrong["field"] for wrong in answer["errors"]] == fields, body
    assert answer["errors"] == [
        {"field": "id", "reason": DEVICE_ID_RULE},
        {"field": "device_type", "reason": "is missing"},
        {"field": "manufacturer", "reason": "must be at least 1 characters long"},
        {"field": "simulated", "reason": "must be true or false"},
        {"field": "colour", "reason": "is no field of this request"},
    ]
    for body in ("[]", "null", "3"):
        answer = (await operator.post("/api/v1/devices", content=body, headers={"Content-Type": "application/json"})).json()
        assert (answer["status"], [wrong["field"] for wrong in answer["errors"]]) == (422, ["body"]), body


async def test_pages_hold_everything_once(cloud: TestCloud) -> None:
    for number in range(7):
        await cloud.device(f"pump-{number}")
    viewer, seen, cursor = await cloud.member("viewer"), [], ""
    while cursor is not None:
        page = (await viewer.get("/api/v1/devices", params={"limit": 3, "cursor": cursor})).json()
        seen += [device["id"] for device in page["items"]]
        cursor = page["next_cursor"]
    for nonsense in ("xx", "~", "~/", "pump-1"):
        for path in ("devices", "test-pumps"):
            wrong = await viewer.get(f"/api/v1/{path}", params={"cursor": nonsense})
            assert (wrong.status_code, wrong.json()["field"]) == (422, "cursor"), nonsense
    assert seen == [f"pump-{n}" for n in range(7)]
    assert [d["id"] for d in (await viewer.get("/api/v1/devices?q=MP-4")).json()["items"]] == ["pump-4"]


async def test_a_filter_that_is_none_is_refused(cloud: TestCloud) -> None:
    viewer = await cloud.member("viewer")
    for query, field, reason in [
        ("type=other", "type", "no type 'other'; known: test_pump"),
        (
            "tpye=test_pump",
            "tpye",
            "is no parameter of this request; known: connected, cursor, has_delta, limit, organization, q, stuck_for, type",
        ),
        ("limit=0", "limit", "must be at least 1"),
        ("limit=501", "limit", "must be at most 500"),
        ("limit=many", "limit", "must be a whole number"),
        ("connected=perhaps", "connected", "must be true or false"),
    ]:
        answer = await viewer.get(f"/api/v1/devices?{query}")
        assert (answer.status_code, answer.json()["errors"]) == (422, [{"field": field, "reason": reason}]), query


async def test_a_device_id_that_is_none_is_refused_in_words(cloud: TestCloud) -> None:
    operator = await cloud.member("operator")
    for wrong in ["no/slash", "ca", "", "-x"]:
        answer = await operator.post("/api/v1/devices", json={**NEW, "id": wrong})
        assert answer.json()["errors"] == [{"field": "id", "reason": DEVICE_ID_RULE}]


async def test_the_zip_connects(cloud: TestCloud, pki: Pki, tmp_path: Path) -> None:
    operator = await cloud.member("operator", "demo")
    await operator.post("/api/v1/devices", json={**NEW, "simulated": True})
    answer = await operator.post("/api/v1/devices/pump-1/certificate")
    assert answer.headers["content-type"] == "application/zip"
    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    assert sorted(archive.namelist()) == ["README.txt", "ca.crt", "pump-1.crt", "pump-1.json", "pump-1.key"]
    assert archive.getinfo("pump-1.key").external_attr >> 16 == 0o100600
    archive.extractall(tmp_path / "zip")
    seen = peer_certificate(await _peer_der(pki, tmp_path / "zip"))
    assert seen.identity.uri == "iotsphere://demo/simulated/pump-1"
    listed = (await operator.get("/api/v1/devices/pump-1/certificates")).json()["items"]
    assert [c["serial"] for c in listed] == [seen.serial]
    key = await cloud.parts.pool.fetchval("select device_key from registry.devices where id = 'pump-1'")
    assert key == listed[0]["fingerprint"]
    credentials = Credentials.load(tmp_path / "zip", "pump-1")
    assert (credentials.host, credentials.port, credentials.device_type) == ("localhost", 8883, NEW["device_type"])
    credentials.tls()
    assert "mosquitto_pub -h localhost -p 8883" in archive.read("README.txt").decode()


async def _peer_der(pki: Pki, directory: Path) -> bytes:
    """What our server's TLS sees of a client that uses the files."""
    seen: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def on_client(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.set_result(writer.get_extra_info("ssl_object").getpeercert(binary_form=True))
        writer.close()

    server = await asyncio.start_server(on_client, "127.0.0.1", 0, ssl=pki.server())
    async with server:
        context = ssl.create_default_context(cafile=str(directory / "ca.crt"))
        context.load_cert_chain(directory / "pump-1.crt", directory / "pump-1.key")
        port = server.sockets[0].getsockname()[1]
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="localhost")
        found = await asyncio.wait_for(seen, 5)
        writer.close()
    return found


async def test_edge_is_told_of_every_change(cloud: TestCloud) -> None:
    woken: asyncio.Queue[str] = asyncio.Queue()
    admin = await cloud.member("admin")
    await cloud.device("pump-1")
    async with cloud.heard(EDGE_REGISTRY, woken):
        await admin.post("/api/v1/devices/pump-1/certificate")
        serial = (await admin.get("/api/v1/devices/pump-1/certificates")).json()["items"][0]["serial"]
        assert (await admin.post(f"/api/v1/devices/pump-1/certificates/{serial.upper()}/revoke")).status_code == 204
        for step, status in [("disable", "disabled"), ("enable", "registered")]:
            assert (await admin.post(f"/api/v1/devices/pump-1/{step}")).json()["status"] == status
        assert (await admin.delete("/api/v1/devices/pump-1")).status_code == 204
        assert [await asyncio.wait_for(woken.get(), 5) for _ in range(5)] == ["pump-1"] * 5
    certificate = (await admin.get("/api/v1/devices/pump-1/certificates")).json()["items"][0]
    assert (certificate["revoked_reason"], certificate["revoked_at"] is None) == ("revoked by tester", False)


async def test_a_retired_device_is_gone_and_its_id_with_it(cloud: TestCloud) -> None:
    admin = await cloud.member("admin")
    await admin.post("/api/v1/devices", json=NEW)
    await admin.post("/api/v1/devices/pump-1/certificate")
    await admin.delete("/api/v1/devices/pump-1")
    assert (await admin.get("/api/v1/devices")).json()["items"] == []
    assert (await admin.get("/api/v1/devices/pump-1")).json()["status"] == "retired"
    assert (await admin.post("/api/v1/devices", json=NEW)).status_code == 409
    assert (await admin.get("/api/v1/devices/pump-1/certificates")).json()["items"][0]["revoked_at"] is not None
    changes = [
        admin.post("/api/v1/devices/pump-1/enable"),
        admin.post("/api/v1/devices/pump-1/certificate"),
        admin.post("/api/v1/devices/pump-1/commands", json={"name": "stop"}),
        admin.patch("/api/v1/devices/pump-1/shadow", json={"desired": {"speed": 1}}),
    ]
    assert [(await change).status_code for change in changes] == [409] * 4


async def test_refusals_come_from_the_door_and_from_what_could_not_be_stored(cloud: TestCloud) -> None:
    await cloud.device("pump-1")
    await cloud.parts.pool.execute(
        """insert into ops.refusals (at, device_id, known, organization_id, category, reason, topic, peer, count)
           values (now() - interval '3 s', 'pump-1', true, 'default', 'acl', 'not yours', 'iot/v1/x/event', '10.0.0.1', 4),
                  (now() - interval '1 s', 'stranger', false, null, 'tls', 'unknown', null, '10.0.0.2', 1)"""
    )
    await cloud.parts.pool.execute(
        """insert into telemetry.dead_letters (at, device_id, topic, payload, measurement, category, reason)
           values (now() - interval '2 s', 'pump-1', 'iot/v1/pump-1/telemetry', '{}', 'flow', 'validation', 'is no number')"""
    )
    viewer = await cloud.member("viewer")
    items = (await viewer.get("/api/v1/devices/pump-1/refusals")).json()["items"]
    assert [(i["category"], i["reason"], i["count"]) for i in items] == [
        ("validation", "flow: is no number", 1),
        ("acl", "not yours", 4),
    ]
    root = await cloud.member("admin", every=True)
    assert [r["device"] for r in (await root.get("/api/v1/refusals/unknown")).json()["items"]] == ["stranger"]


async def test_the_fleet_is_counted(cloud: TestCloud) -> None:
    for name, kind in [("a", "device"), ("b", "simulated"), ("c", "device")]:
        await cloud.device(name, kind=kind)  # type: ignore[arg-type]
    await cloud.parts.pool.execute(
        "insert into registry.presence values ('a', 1, true, now(), 'connected', 'n'), ('b', 2, true, now(), 'connected', 'n')"
    )
    await cloud.readings("a", "flow", [1.0])
    answer = await (await cloud.member("viewer")).get("/api/v1/fleet/summary")
    assert answer.json() == {
        "total": 3, "connected": 2, "stale": 1, "offline": 1, "simulated": 1,
        "by_type": {"test_pump": 3}, "points_last_minute": 0,
        "numbers": {"received": 0, "missing": 0, "declared_lost": 0, "repeated": 0, "late": 0, "lost": 0},
    }  # fmt: skip
    assert answer.headers["x-data-source"] == "simulation"


async def test_how_a_device_connects(cloud: TestCloud) -> None:
    await cloud.device("pump-1")
    info = (await (await cloud.member("viewer")).get("/api/v1/devices/pump-1/connect")).json()
    assert (info["host"], info["port"]) == ("localhost", 8883)
    assert "BEGIN CERTIFICATE" in info["ca_pem"]
    assert info["topics"]["telemetry"] == "iot/v1/pump-1/telemetry"
    compile(info["python"], "pasted", "exec")


async def test_events_and_status_texts_of_a_device_are_seen(cloud: TestCloud) -> None:
    await cloud.device("pump-1", kind="simulated")
    viewer = await cloud.member("viewer")
    empty = await viewer.get("/api/v1/devices/pump-1/events")
    assert empty.json() == {"device": "pump-1", "simulated": True, "items": []}
    assert (await viewer.get("/api/v1/devices/pump-1")).json()["status_text"] is None
    await cloud.parts.pool.execute(
        """insert into ops.events (device_id, timestamp, name, severity, data)
           values ('pump-1', '2026-03-01T12:00:00Z', 'started', 'info', null),
                  ('pump-1', '2026-03-01T12:00:02Z', 'leak', 'critical', '{"litres": 3}'),
                  ('pump-1', '2026-03-01T12:00:01Z', 'warm', 'warning', '{}'),
                  ('pump-2', now(), 'other', 'info', null)"""
    )
    await cloud.parts.pool.execute("insert into ops.device_status values ('pump-1', 'pumping', '2026-03-01T12:00:05Z')")
    answer = await viewer.get("/api/v1/devices/pump-1/events?limit=2")
    assert answer.json()["items"] == [
        {"timestamp": "2026-03-01T12:00:02Z", "name": "leak", "severity": "critical", "data": {"litres": 3}},
        {"timestamp": "2026-03-01T12:00:01Z", "name": "warm", "severity": "warning", "data": {}},
    ]
    assert answer.headers["x-data-source"] == "simulation"
    told = {"text": "pumping", "at": "2026-03-01T12:00:05Z"}
    assert (await viewer.get("/api/v1/devices/pump-1")).json()["status_text"] == told
    assert (await viewer.get("/api/v1/devices")).json()["items"][0]["status_text"] == told


async def test_what_is_remarkable_about_a_reading_is_said_wherever_it_is_shown(cloud: TestCloud) -> None:
    await cloud.device("pump-1")
    await cloud.readings("pump-1", "flow", [900.0])
    await cloud.readings("pump-1", "guess", [1.0])
    await cloud.readings("pump-1", "pressure", [1.0])
    for name, quality in [("flow", "out_of_range"), ("guess", "undeclared")]:
        await cloud.parts.pool.execute(
            "update telemetry.telemetry set metadata = jsonb_build_object('quality', $2::text) where measurement = $1",
            name,
            quality,
        )
    viewer = await cloud.member("viewer")
    one, listed, latest = [
        (await viewer.get(f"/api/v1/{path}")).json() for path in ("devices/pump-1", "devices", "telemetry/pump-1/latest")
    ]
    for found in (one["latest"], listed["items"][0]["latest"], latest["latest"]):
        assert {k: v["quality"] for k, v in found.items()} == {"flow": "out_of_range", "guess": "undeclared", "pressure": None}
    member, members = [(await viewer.get(f"/api/v1/{path}")).json() for path in ("test-pumps/pump-1", "test-pumps")]
    for found in (member["measurements"], members["items"][0]["measurements"]):
        assert {k: v["quality"] for k, v in found.items()} == {"flow": "out_of_range", "pressure": None}


async def test_after_how_long_a_device_is_stale_is_declared_or_shown_by_its_readings(cloud: TestCloud) -> None:
    for name in ("hourly", "silent", "once"):
        await cloud.device(name, device_type="of_no_declared_type")
    await cloud.device("pump-1")
    now = datetime.now(UTC)
    await cloud.readings("hourly", "level", {now - timedelta(hours=hours): 1.0 for hours in range(2, 12)})
    await cloud.readings("once", "level", {now - timedelta(days=1): 1.0})
    await cloud.readings("pump-1", "flow", {now - timedelta(seconds=40): 1.0})
    viewer = await cloud.member("viewer")

    async def told() -> tuple[dict[str, tuple[float | None, bool | None]], int]:
        listed = (await viewer.get("/api/v1/devices")).json()["items"]
        return {d["id"]: (d["stale_after_s"], d["stale"]) for d in listed}, sum(d["stale"] is True for d in listed)

    found, stale = await told()
    assert ({after for after, _ in found.values()}, stale) == ({10_800, None, 30}, 0)  # offline, and said to be that
    await cloud.parts.pool.execute(
        "insert into registry.presence select id, row_number() over (), true, now(), 'connected', 'n' from registry.devices"
    )
    found, stale = await told()
    assert found == {"hourly": (10_800, False), "silent": (None, True), "once": (None, None), "pump-1": (30, True)}
    assert (await viewer.get("/api/v1/fleet/summary")).json()["stale"] == stale == 2


async def test_a_new_owner_is_told_nothing_of_how_often_the_device_reported_before(cloud: TestCloud) -> None:
    await cloud.device("sold", "demo", device_type="of_no_declared_type")
    now, pool = datetime.now(UTC), cloud.parts.pool
    await cloud.readings("sold", "level", {now - timedelta(seconds=seconds): 1.0 for seconds in range(10, 300, 10)})
    await pool.execute("insert into registry.presence values ('sold', 1, true, now(), 'connected', 'n')")

    async def told(organization: str) -> tuple[object, ...]:
        viewer = await cloud.member("viewer", organization)
        device = (await viewer.get("/api/v1/devices/sold")).json()
        summary = (await viewer.get(f"/api/v1/fleet/summary?organization={organization}")).json()
        return device["stale_after_s"], device["stale"], summary["total"], summary["stale"]

    assert await told("demo") == (30, False, 1, 0)
    await pool.execute("update registry.device_owner set until = now()")
    await pool.execute(
        "insert into registry.device_owner (device_id, organization_id, \"from\") values ('sold', 'default', now())"
    )
    await pool.execute("update registry.devices set organization_id = 'default', changed_at = now()")
    assert await told("default") == (None, True, 1, 1)
