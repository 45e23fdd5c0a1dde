"""Who may call what: every operation of the interface description, with every role."""

from typing import Any

from tests.support.cloud import TestCloud

ANYBODY, VIEWER, OPERATOR, ADMIN, ROOT = range(5)
LEAST: dict[tuple[str, str], int] = {
    ("post", "/auth/login"): ANYBODY,
    ("post", "/auth/refresh"): ANYBODY,
    ("post", "/auth/logout"): VIEWER,
    ("get", "/me"): VIEWER,
    ("get", "/users"): ADMIN,
    ("post", "/users"): ADMIN,
    ("patch", "/users/{user}"): ADMIN,
    ("get", "/organizations"): VIEWER,
    ("post", "/organizations"): ROOT,
    ("get", "/device-types"): VIEWER,
    ("get", "/devices"): VIEWER,
    ("post", "/devices"): OPERATOR,
    ("get", "/devices/{device}"): VIEWER,
    ("delete", "/devices/{device}"): ADMIN,
    ("post", "/devices/{device}/disable"): ADMIN,
    ("post", "/devices/{device}/enable"): ADMIN,
    ("post", "/devices/{device}/certificate"): OPERATOR,
    ("get", "/devices/{device}/certificates"): VIEWER,
    ("post", "/devices/{device}/certificates/{serial}/revoke"): ADMIN,
    ("get", "/devices/{device}/refusals"): VIEWER,
    ("get", "/devices/{device}/events"): VIEWER,
    ("get", "/devices/{device}/gaps"): VIEWER,
    ("get", "/devices/{device}/connect"): VIEWER,
    ("get", "/devices/{device}/shadow"): VIEWER,
    ("patch", "/devices/{device}/shadow"): OPERATOR,
    ("put", "/devices/{device}/shadow"): OPERATOR,
    ("delete", "/devices/{device}/shadow"): OPERATOR,
    ("get", "/devices/{device}/shadow/revisions"): VIEWER,
    ("get", "/devices/{device}/shadows"): VIEWER,
    ("get", "/devices/{device}/shadows/{name}"): VIEWER,
    ("patch", "/devices/{device}/shadows/{name}"): OPERATOR,
    ("put", "/devices/{device}/shadows/{name}"): OPERATOR,
    ("delete", "/devices/{device}/shadows/{name}"): OPERATOR,
    ("get", "/devices/{device}/shadows/{name}/revisions"): VIEWER,
    ("get", "/devices/{device}/commands"): VIEWER,
    ("post", "/devices/{device}/commands"): OPERATOR,
    ("get", "/commands/{command}"): VIEWER,
    ("delete", "/commands/{command}"): OPERATOR,
    ("post", "/commands/{command}/cancel"): OPERATOR,
    ("get", "/refusals/unknown"): ROOT,
    ("get", "/fleet/summary"): VIEWER,
    ("get", "/telemetry"): VIEWER,
    ("get", "/telemetry/average"): VIEWER,
    ("get", "/telemetry/{device}"): VIEWER,
    ("get", "/telemetry/{device}/latest"): VIEWER,
    ("get", "/telemetry/{device}/readings"): VIEWER,
    ("get", "/dead-letters"): VIEWER,
    ("get", "/dead-letters/{letter}"): VIEWER,
    ("post", "/dead-letters/replay"): OPERATOR,
    ("post", "/dead-letters/{letter}/replay"): OPERATOR,
    ("get", "/dead-letters/replays/{replay}"): VIEWER,
    ("post", "/dead-letters/drop"): ADMIN,
    ("delete", "/dead-letters/{letter}"): ADMIN,
    ("get", "/system/status"): VIEWER,
    ("get", "/test-pumps"): VIEWER,
    ("get", "/test-pumps/{device}"): VIEWER,
    ("patch", "/test-pumps/{device}"): OPERATOR,
    ("post", "/test-pumps/{device}/commands"): OPERATOR,
}


async def operations(cloud: TestCloud) -> list[tuple[str, str]]:
    described = (await (await cloud.http()).get("/schema/openapi.json")).json()
    return [
        (method, path.removeprefix("/api/v1"))
        for path, methods in described["paths"].items()
        if path.startswith("/api/v1/")
        for method in methods
    ]


async def test_every_operation_asks_for_its_role_and_no_more(cloud: TestCloud) -> None:
    assert set(await operations(cloud)) == LEAST.keys()
    callers = [
        await cloud.http(),
        await cloud.member("viewer"),
        await cloud.member("operator"),
        await cloud.member("admin"),
        await cloud.member("admin", every=True),
    ]
    wrong = []
    for (method, path), least in LEAST.items():
        url = "/api/v1" + path.format(device="nope", user="nope", command="nope", serial="0", letter=0, replay="nope", name="n")
        for rank, caller in enumerate(callers):
            status = (await caller.request(method, url)).status_code
            refused = status == 403 or (status == 401 and rank == ANYBODY)
            if refused != (rank < least):
                wrong.append((method, path, rank, status))
    assert wrong == []


async def test_who_shows_no_token_is_asked_for_one(cloud: TestCloud) -> None:
    http = await cloud.http()
    for header in ["", "Basic YW5uOmFubg==", "Bearer", "Bearer x.y.z", f"Token {cloud.token()}"]:
        answer = await http.get("/api/v1/devices", headers={"Authorization": header})
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer"), header


async def test_every_operation_has_a_summary_and_only_our_errors(cloud: TestCloud) -> None:
    described: dict[str, Any] = (await (await cloud.http()).get("/schema/openapi.json")).json()
    found = [(method, path, op) for path, methods in described["paths"].items() for method, op in methods.items()]
    assert [(m, p) for m, p, op in found if not op.get("summary")] == []
    ids = [op["operationId"] for _, _, op in found]
    assert len(set(ids)) == len(ids)
    foreign = [
        (method, path, code)
        for method, path, op in found
        for code, response in op["responses"].items()
        if code >= "400" and path.startswith("/api/") and set(response["content"]) != {"application/problem+json"}
    ]
    assert foreign == []
