"""What every answer has: problems, headers, probes, metrics, a valid description."""

import json
from pathlib import Path
from typing import Any

import jsonschema

from iotsphere.bus import MemoryBus
from tests.support.cloud import TestCloud, running_cloud
from tests.support.pki import Pki

JSON = {"Content-Type": "application/json"}


async def test_every_error_is_a_problem(cloud: TestCloud) -> None:
    admin, http = await cloud.member("admin"), await cloud.http()
    await cloud.device("pump-1")
    body = {"id": "pump-1", "device_type": "test_pump"}
    calls = [
        (400, admin.post("/api/v1/devices", content=b'{"id": ', headers={"Content-Type": "application/json"})),
        (401, http.get("/api/v1/devices")),
        (403, (await cloud.member("viewer")).post("/api/v1/devices", json=body)),
        (404, admin.get("/api/v1/devices/nope")),
        (404, admin.get("/api/v1/nowhere")),
        (405, admin.put("/api/v1/devices")),
        (406, admin.get("/api/v1/devices", headers={"Accept": "application/xml"})),
        (409, admin.post("/api/v1/devices", json=body)),
        (412, admin.patch("/api/v1/devices/pump-1/shadow", json={"desired": {}}, headers={"If-Match": '"9"'})),
        (413, admin.post("/api/v1/devices", content=b"x" * ((1 << 20) + 1))),
        (415, admin.patch("/api/v1/devices/pump-1/shadow", content=b"{}", headers={"Content-Type": "text/csv"})),
        (415, admin.post("/api/v1/devices", content=b"{}", headers={"Content-Type": "text/plain"})),
        (422, admin.post("/api/v1/devices", json={})),
    ]
    for status, call in calls:
        answer = await call
        problem = answer.json()
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
        assert problem["type"] == "about:blank"
        assert (problem["status"], bool(problem["title"]), bool(problem["detail"])) == (status, True, True)
        assert (problem["field"] is not None) is bool(problem["errors"])


async def test_without_its_database_it_says_so(cloud: TestCloud) -> None:
    admin, http = await cloud.member("admin"), await cloud.http()
    await cloud.parts.pool.close()
    answer = await admin.get("/api/v1/devices")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    ready = await http.get("/health/ready")
    assert (ready.status_code, ready.json()) == (503, {"status": "unavailable", "database": False, "bus": True})
    assert (await http.get("/health/live")).json() == {"status": "ok"}
    assert (await admin.get("/api/v1/system/status")).json()["ready"] is False


async def test_no_input_is_an_error_on_our_side(cloud: TestCloud) -> None:
    admin = await cloud.member("admin", every=True)
    await cloud.device("pump-1")
    paths = ["devices/{}", "commands/{}", "telemetry/{}", "devices?q={}", "devices?cursor={}", "test-pumps/{}",
             "telemetry/average?measurement={}", "telemetry/pump-1?measurements={}", "telemetry/pump-1?from={}",
             "telemetry/average?measurement=flow&to={}"]  # fmt: skip
    for text in [
        "%00",
        "%ED%A0%80",
        "%ff",
        "a%2Fb",
        "x" * 3000,
        "..",
        "0001-01-01T00:00:00%2B02:00",
        "9999-12-31T23:59:59Z",
        "-1",
    ]:
        for path in paths:
            assert (await admin.get(f"/api/v1/{path.format(text)}")).status_code < 500, (path, text[:30])
    deep = b'{"desired":' * 5000 + b"1" + b"}" * 5000
    assert (await admin.patch("/api/v1/devices/pump-1/shadow", content=deep, headers=JSON)).status_code == 400
    for path, body in [
        ("auth/login", {"user": "a\0", "password": "x"}),
        ("organizations", {"id": "new", "name": "a\0"}),
        ("devices", {"id": "new", "device_type": "test_pump", "manufacturer": "a\0"}),
        ("devices/pump-1/commands", {"name": "prime", "params": {"seconds": 10**30}}),
        ("devices/pump-1/commands", {"name": "stop", "timeout": 1e300}),
    ]:
        answer = await admin.post(f"/api/v1/{path}", json=body)
        assert answer.status_code == 422, (path, answer.text)


class Interrupted(MemoryBus):
    def healthy(self) -> bool:
        return False


async def test_readiness_names_the_bus(pki: Pki, migrated_dsn: str, valkey_url: str) -> None:
    async with running_cloud(pki, migrated_dsn, valkey_url, bus=Interrupted()) as cloud:
        ready = await (await cloud.http()).get("/health/ready")
        assert (ready.status_code, ready.json()) == (503, {"status": "unavailable", "database": True, "bus": False})
        status = (await (await cloud.member("viewer")).get("/api/v1/system/status")).json()
        assert (status["ready"], status["bus_ok"], status["live"]) == (False, False, "interrupted")
        browser = await cloud.browser(cloud.token())
        assert await browser.hears("live") == [{"state": "interrupted"}]


async def test_headers_of_every_answer(cloud: TestCloud) -> None:
    http = await cloud.http()
    for path in ("/", "/health/live", "/api/v1/me", "/schema/openapi.json", "/nowhere"):
        headers = (await http.get(path)).headers
        assert headers["x-content-type-options"] == "nosniff", path
        assert "default-src 'self'" in headers["content-security-policy"], path
        assert "server" not in headers, path


async def test_metrics_have_few_labels(cloud: TestCloud) -> None:
    viewer = await cloud.member("viewer")
    for number in range(3):
        await cloud.device(f"pump-{number}")
        await viewer.get(f"/api/v1/devices/pump-{number}")
        await viewer.get(f"/api/v1/guess{number}")
    text = (await viewer.get("/metrics")).text
    assert 'iotsphere_http_request_seconds_count{method="GET",route="/api/v1/devices/{id}",status="200"} 3.0' in text
    assert "pump-" not in text
    assert "guess" not in text
    assert "iotsphere_live_sessions 0.0" in text
    assert "process_resident_memory_bytes" in text


async def test_the_description_is_valid(cloud: TestCloud) -> None:
    described: dict[str, Any] = (await (await cloud.http()).get("/schema/openapi.json")).json()
    assert described["openapi"].startswith("3.1")
    for name, schema in described["components"]["schemas"].items():
        jsonschema.Draft202012Validator.check_schema(schema)
        assert name.isidentifier(), name
    for reference in _references(described):
        found: Any = described
        for step in reference.removeprefix("#/").split("/"):
            found = found[step]
    for path, methods in described["paths"].items():
        for operation in methods.values():
            declared = {p["name"] for p in operation.get("parameters", []) if p["in"] == "path"}
            assert declared == {part[1:-1] for part in path.split("/") if part.startswith("{")}, path


async def test_filters_and_bounds_say_what_they_mean(cloud: TestCloud) -> None:
    described = (await (await cloud.http()).get("/schema/openapi.json")).json()["paths"]
    filters = described["/api/v1/devices"]["get"]["parameters"]
    points = [
        parameter
        for path in ("/api/v1/telemetry/{device}", "/api/v1/telemetry", "/api/v1/telemetry/average")
        for parameter in described[path]["get"]["parameters"]
        if parameter["name"] == "max_points"
    ]
    assert (len(filters), len(points)) == (8, 3)
    assert [p["name"] for p in (*filters, *points) if not p.get("description") and p["name"] != "limit"] == []


def _references(node: Any) -> list[str]:
    if isinstance(node, dict):
        own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
        return own + [r for value in node.values() for r in _references(value)]
    return [r for value in node for r in _references(value)] if isinstance(node, list) else []


async def test_the_dashboard_is_served_beside_it(pki: Pki, migrated_dsn: str, valkey_url: str, tmp_path: Path) -> None:
    built = tmp_path / "dist"
    (built / "assets").mkdir(parents=True)
    (built / "index.html").write_text("<!doctype html><title>built</title>")
    (built / "assets" / "main-1a2b.js").write_text("x" * 5000)
    async with running_cloud(pki, migrated_dsn, valkey_url, dashboard=built) as cloud:
        http = await cloud.http()
        for path in ("/", "/devices/pump-1", "/devices/../../etc/passwd"):
            page = await http.get(path)
            assert (page.status_code, "built" in page.text, page.headers["cache-control"]) == (200, True, "no-cache"), path
        script = await http.get("/assets/main-1a2b.js")
        assert (script.headers["content-encoding"], "immutable" in script.headers["cache-control"]) == ("gzip", True)
        assert (await http.get("/assets/other.js")).status_code == 404
        assert json.loads((await http.get("/health/live")).text) == {"status": "ok"}
