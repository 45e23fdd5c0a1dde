"""Two organizations that must not see each other, on every route."""

import asyncpg
import pytest

from cloud_api.tenancy import Tenancy
from tests.integration.cloud_api.test_roles import LEAST, operations
from tests.support.cloud import TestCloud

SECRETIVE = [("get", "/organizations"), ("get", "/devices"), ("get", "/users"), ("get", "/test-pumps"), ("get", "/fleet/summary"),
             ("get", "/dead-letters")]  # fmt: skip
BODIES: dict[tuple[str, str], object] = {
    ("patch", "/users/{user}"): {"role": "viewer"},
    ("patch", "/devices/{device}/shadow"): {"desired": {"speed": 1}},
    ("put", "/devices/{device}/shadow"): {"desired": {"speed": 1}},
    ("patch", "/devices/{device}/shadows/{name}"): {"desired": {"a": 1}},
    ("put", "/devices/{device}/shadows/{name}"): {"desired": {"a": 1}},
    ("post", "/devices/{device}/commands"): {"name": "stop"},
    ("patch", "/test-pumps/{device}"): {"speed": 1},
    ("post", "/test-pumps/{device}/commands"): {"name": "stop"},
}
ANY = {"If-Match": "*"}  # whatever the version


@pytest.fixture
async def foreign(cloud: TestCloud) -> dict[str, str]:
    """Ids of what the organization `demo` has."""
    await cloud.user("demo-user", "admin", "demo")
    await cloud.device("demo-pump", "demo")
    await cloud.readings("demo-pump", "flow", [1.0, 2.0])
    await cloud.parts.pool.execute(
        "insert into ops.events (device_id, timestamp, name, severity) values ('demo-pump', now(), 'demo-event', 'info')"
    )
    await cloud.parts.pool.execute("insert into ops.device_status values ('demo-pump', 'demo words', now() - interval '1 s')")
    owner = await cloud.member("admin", "demo")
    command = (await owner.post("/api/v1/devices/demo-pump/commands", json={"name": "stop"})).json()["id"]
    await owner.patch("/api/v1/devices/demo-pump/shadow", json={"desired": {"speed": 5}})
    await owner.patch("/api/v1/devices/demo-pump/shadows/extra", json={"desired": {"a": 5}})
    await owner.post("/api/v1/devices/demo-pump/certificate")
    serial = (await owner.get("/api/v1/devices/demo-pump/certificates")).json()["items"][0]["serial"]
    await cloud.parts.pool.execute("insert into asset.capabilities values ('pumps', 'Pumps')")
    await cloud.parts.pool.execute(
        "insert into asset.assets (asset_id, device_id, name, model) values ('a', 'demo-pump', 'A', 'm')"
    )
    await cloud.parts.pool.execute("insert into asset.asset_capabilities values ('a', 'pumps', 'one')")
    letter = await cloud.parts.pool.fetchval(
        """insert into telemetry.dead_letters (id, device_id, organization_id, topic, payload, category, reason)
           overriding system value
           values (98764, 'demo-pump', 'demo', 'iot/v1/demo-pump/telemetry', 'x', 'clock', 'demo reason') returning id"""
    )
    replay = (await owner.post(f"/api/v1/dead-letters/{letter}/replay?wait=0")).json()["id"]
    return {
        "device": "demo-pump", "user": "demo-user", "command": command, "serial": serial, "letter": str(letter), "replay": replay,
        "name": "extra",
    }  # fmt: skip


async def test_the_quick_look_at_a_device_keeps_to_the_same_rules(cloud: TestCloud, foreign: dict[str, str]) -> None:
    tenancy, query = Tenancy(cloud.parts.pool), "select id from registry.device_seen($1, $2)"
    for scope, seen in (("demo", "demo-pump"), ("*", "demo-pump"), ("default", None), ("", None), ("demo' or '1", None)):
        row = await tenancy.row(query, scope, foreign["device"])
        assert (row["id"] if row else None) == seen, scope
    assert await cloud.parts.pool.fetchval("select current_user = session_user")


async def test_what_is_foreign_answers_as_what_does_not_exist(cloud: TestCloud, foreign: dict[str, str]) -> None:
    stranger = await cloud.member("admin", "default")
    unknown = {
        "device": "zzzz-pump",
        "user": "zzzz-user",
        "command": "f" * len(foreign["command"]),
        "serial": "abc123",
        "letter": "98765",
        "replay": "f" * 16,
        "name": "other",
    }
    tried, differing = 0, []
    for method, path in await operations(cloud):
        if "{" not in path:
            continue
        tried += 1
        body = BODIES.get((method, path))
        answers = [
            await stranger.request(method, "/api/v1" + path.format(**ids), json=body, headers=ANY) for ids in (foreign, unknown)
        ]
        plain = [_plain(a.text, ids) for a, ids in zip(answers, (foreign, unknown), strict=True)]
        if [a.status_code for a in answers] != [404, 404] or plain[0] != plain[1]:
            differing.append((method, path, [a.status_code for a in answers], plain))
    assert differing == []
    assert tried == sum("{" in path for _, path in LEAST)


def _plain(text: str, ids: dict[str, str]) -> str:
    for key, value in ids.items():
        text = text.replace(value, key)
    return text


async def test_nothing_happened_to_it(cloud: TestCloud, foreign: dict[str, str]) -> None:
    stranger, owner = await cloud.member("admin", "default"), await cloud.member("admin", "demo")
    for method, path in await operations(cloud):
        if "{" in path:
            await stranger.request(method, "/api/v1" + path.format(**foreign), json=BODIES.get((method, path)), headers=ANY)
    device = (await owner.get("/api/v1/devices/demo-pump")).json()
    assert device["status"] == "registered"
    assert (await owner.get("/api/v1/devices/demo-pump/shadow")).json()["version"] == 1
    assert (await owner.get("/api/v1/devices/demo-pump/shadows/extra")).json()["version"] == 1
    assert (await owner.get(f"/api/v1/commands/{foreign['command']}")).json()["status"] == "queued"
    assert len((await owner.get("/api/v1/devices/demo-pump/commands")).json()["items"]) == 1
    [letter] = (await owner.get("/api/v1/dead-letters")).json()["items"]
    assert (letter["id"], letter["waiting"]) == (int(foreign["letter"]), True)
    certificates = (await owner.get("/api/v1/devices/demo-pump/certificates")).json()["items"]
    assert [c["revoked_at"] for c in certificates] == [None]


async def test_lists_hold_nothing_foreign(cloud: TestCloud, foreign: dict[str, str]) -> None:
    stranger, root = await cloud.member("admin", "default"), await cloud.member("admin", "default", every=True)
    for method, path in SECRETIVE:
        narrow, wide = [await caller.request(method, "/api/v1" + path) for caller in (stranger, root)]
        assert "demo" not in narrow.text, path
        assert narrow.text != wide.text, path
    for path in ("/devices", "/test-pumps"):
        assert (await stranger.get(f"/api/v1{path}?organization=demo")).json()["items"] == []
    assert (await stranger.get("/api/v1/fleet/summary?organization=demo")).json()["total"] == 0
    average = (await stranger.get("/api/v1/telemetry/average?measurement=flow&organization=demo")).json()
    assert (average["average"], average["included"]) == (None, {"devices": 0, "readings": 0})


async def test_a_taken_id_answers_the_same_whoever_holds_it(cloud: TestCloud, foreign: dict[str, str]) -> None:
    await cloud.device("my-pump")
    mine = await cloud.member("operator", "default")
    answers = [
        await mine.post("/api/v1/devices", json={"id": taken, "device_type": "test_pump"}) for taken in ("my-pump", "demo-pump")
    ]
    assert [a.status_code for a in answers] == [409, 409]
    assert answers[0].text.replace("my-pump", "x") == answers[1].text.replace("demo-pump", "x")


async def test_the_tenant_role_sees_one_organization_and_passes_no_by_way(cloud: TestCloud, foreign: dict[str, str]) -> None:
    pool = cloud.parts.pool
    bypass = await pool.fetchrow("select rolsuper, rolbypassrls, rolcanlogin from pg_roles where rolname = 'iotsphere_tenant'")
    assert bypass is not None
    assert tuple(bypass) == (False, False, False)
    tables = [
        "registry.devices", "registry.users", "registry.certificates", "asset.asset_capabilities", "ops.commands",
        "ops.command_transitions", "ops.events", "ops.device_status", "shadow.documents", "telemetry.dead_letters",
        "telemetry.replays",
    ]  # fmt: skip
    for scope, some in (("default", False), ("demo", True), ("*", True), ("", False)):
        async with Tenancy(pool).transaction(scope) as connection:
            for table in tables:
                assert bool(await connection.fetchval(f"select count(*) from {table}")) is some, (scope, table)


async def test_a_tenant_writes_nothing_for_others_and_touches_no_secrets(cloud: TestCloud, foreign: dict[str, str]) -> None:
    tenancy = Tenancy(cloud.parts.pool)
    async with tenancy.transaction("default") as connection:
        assert await connection.execute("update registry.devices set status = 'retired'") == "UPDATE 0"
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with tenancy.transaction("default") as connection:
            await connection.execute("insert into asset.locations values ('l', 'demo', 'theirs')")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with tenancy.transaction("default") as connection:
            await connection.execute("insert into asset.asset_capabilities values ('a', 'pumps', 'mine')")
    for table in ("telemetry.telemetry", "telemetry.boots", "registry.refresh_tokens"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with tenancy.transaction("*") as connection:
                await connection.fetch(f"select * from {table}")


async def test_every_table_that_a_tenant_reaches_keeps_to_rows_or_is_a_list_of_words_to_read(cloud: TestCloud) -> None:
    rows = await cloud.parts.pool.fetch(
        """select c.oid::regclass::text as name, array_agg(lower(p.privilege) order by p.privilege) as rights
           from pg_class c join pg_namespace s on s.oid = c.relnamespace
           cross join unnest(array['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE']) as p (privilege)
           where s.nspname in ('registry', 'asset', 'ops', 'shadow', 'telemetry') and c.relkind in ('r', 'p', 'v', 'm')
             and has_table_privilege('iotsphere_tenant', c.oid, p.privilege)
             and not c.relrowsecurity group by 1"""
    )
    assert {row["name"]: row["rights"] for row in rows} == {"asset.capabilities": ["select"], "ops.command_lifecycle": ["select"]}


async def test_a_connection_that_served_one_tenant_serves_the_next_as_itself(cloud: TestCloud) -> None:
    tenancy = Tenancy(cloud.parts.pool)
    async with tenancy.transaction("demo") as connection:
        assert await connection.fetchval("select current_user") == "iotsphere_tenant"
    async with cloud.parts.pool.acquire() as connection:
        assert await connection.fetchval("select current_user") != "iotsphere_tenant"
        assert not await connection.fetchval("select current_setting('iotsphere.organization', true)")


async def test_a_transferred_device_shows_its_new_owner_nothing_older(cloud: TestCloud, foreign: dict[str, str]) -> None:
    pool = cloud.parts.pool
    await pool.execute("update registry.device_owner set until = now() where device_id = 'demo-pump'")
    await pool.execute(
        "insert into registry.device_owner (device_id, organization_id, \"from\") values ('demo-pump', 'default', now())"
    )
    await pool.execute("update registry.devices set organization_id = 'default', changed_at = now() where id = 'demo-pump'")
    await pool.execute(
        """insert into telemetry.dead_letters (at, device_id, topic, payload, category, reason)
           values (now() - interval '1 hour', 'demo-pump', 't', '', 'clock', 'old'),
                  (now() + interval '1 s', 'demo-pump', 't', '', 'clock', 'new')"""
    )
    await pool.execute(
        """insert into ops.events (device_id, timestamp, name, severity)
           values ('demo-pump', now() - interval '1 hour', 'older', 'info'),
                  ('demo-pump', now() + interval '1 s', 'new', 'info')"""
    )
    await pool.execute("update ops.device_status set text = 'old words', at = now() - interval '1 hour'")
    new = await cloud.member("admin", "default")
    assert [e["name"] for e in (await new.get("/api/v1/devices/demo-pump/events")).json()["items"]] == ["new"]
    assert (await new.get("/api/v1/devices/demo-pump")).json()["status_text"] is None
    assert (await new.get("/api/v1/telemetry/demo-pump")).json()["columns"]["ts"] == []
    assert (await new.get("/api/v1/telemetry/demo-pump/latest")).json()["latest"] == {}
    assert (await new.get("/api/v1/devices/demo-pump")).json()["latest"] == {}
    assert (await new.get("/api/v1/devices/demo-pump/commands")).json()["items"] == []
    assert (await new.get(f"/api/v1/commands/{foreign['command']}")).status_code == 404
    assert [r["reason"] for r in (await new.get("/api/v1/devices/demo-pump/refusals")).json()["items"]] == ["new"]
    average = (await new.get("/api/v1/telemetry/average?measurement=flow")).json()
    assert average["included"] == {"devices": 1, "readings": 0}
    old = await cloud.member("admin", "demo")
    assert (await old.get("/api/v1/devices/demo-pump")).status_code == 404
    assert (await old.get(f"/api/v1/commands/{foreign['command']}")).status_code == 404
