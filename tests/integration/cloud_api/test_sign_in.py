"""Signing in, staying signed in, and being thrown out."""

import asyncio
import time

import httpx
import pytest

from cloud_api.body import MOST_ERRORS
from tests.support.cloud import PASSWORD, TestCloud, running_cloud
from tests.support.pki import Pki


async def login(http: httpx.AsyncClient, user: str = "ann", password: str = PASSWORD) -> httpx.Response:
    return await http.post("/api/v1/auth/login", json={"user": user, "password": password})


async def refresh(http: httpx.AsyncClient, token: str) -> httpx.Response:
    return await http.post("/api/v1/auth/refresh", json={"refresh_token": token})


async def test_a_password_gives_tokens_that_say_who_one_is(cloud: TestCloud) -> None:
    await cloud.user("ann", "operator", "demo")
    http = await cloud.http()
    answer = await login(http)
    assert answer.status_code == 200
    session = answer.json()
    assert session["expires_in"] == 900
    assert session["user"] == {"id": "ann", "role": "operator", "organization": "demo", "all_organizations": False}
    me = await http.get("/api/v1/me", headers={"Authorization": f"Bearer {session['access_token']}"})
    assert me.json() == session["user"]
    assert answer.headers["cache-control"] == "no-store"


async def test_whoever_fails_learns_nothing_about_why(cloud: TestCloud) -> None:
    await cloud.user("ann")
    await cloud.user("gone")
    await cloud.parts.pool.execute("update registry.users set disabled = true where id = 'gone'")
    http = await cloud.http()
    for user, password in [("ann", "wrong"), ("nobody", PASSWORD), ("gone", PASSWORD)]:
        answer = await login(http, user, password)
        assert (answer.status_code, answer.json()["detail"]) == (401, "user or password is wrong"), user


async def test_five_failures_of_a_name_are_enough_even_at_once(cloud: TestCloud) -> None:
    await cloud.user("ann")
    await cloud.user("bob")
    http = await cloud.http()
    answers = await asyncio.gather(*(login(http, password="guess") for _ in range(12)))
    assert sorted(a.status_code for a in answers) == [401] * 5 + [429] * 7
    refused = await login(http)
    assert (refused.status_code, refused.json()["detail"]) == (429, "too many failed attempts; try again in 5 minutes")
    assert 280 < int(refused.headers["retry-after"]) <= 300
    assert (await login(http, "bob")).status_code == 200


async def test_success_forgets_failures(cloud: TestCloud) -> None:
    await cloud.user("ann")
    http = await cloud.http()
    for _ in range(3):
        for _ in range(4):
            assert (await login(http, password="guess")).status_code == 401
        assert (await login(http)).status_code == 200


async def test_refresh_rotates_and_a_token_used_twice_ends_the_sign_in(cloud: TestCloud) -> None:
    await cloud.user("ann")
    http = await cloud.http()
    first = (await login(http)).json()["refresh_token"]
    second = (await refresh(http, first)).json()["refresh_token"]
    third = (await refresh(http, second)).json()["refresh_token"]
    assert len({first, second, third}) == 3
    assert (await refresh(http, first)).status_code == 401
    assert (await refresh(http, third)).status_code == 401


async def test_two_refreshes_at_once_cannot_both_win(cloud: TestCloud) -> None:
    await cloud.user("ann")
    http = await cloud.http()
    token = (await login(http)).json()["refresh_token"]
    answers = await asyncio.gather(*(refresh(http, token) for _ in range(4)))
    assert sorted(a.status_code for a in answers) == [200, 401, 401, 401]


async def test_reuse_ends_one_sign_in_and_not_the_others(cloud: TestCloud) -> None:
    await cloud.user("ann")
    http = await cloud.http()
    stolen, other = [(await login(http)).json()["refresh_token"] for _ in range(2)]
    await refresh(http, stolen)
    await refresh(http, stolen)
    assert (await refresh(http, other)).status_code == 200


async def test_signing_out_ends_the_sign_in(cloud: TestCloud) -> None:
    await cloud.user("ann")
    http = await cloud.http()
    session = (await login(http)).json()
    out = await http.post("/api/v1/auth/logout", headers={"Authorization": f"Bearer {session['access_token']}"})
    assert out.status_code == 204
    assert (await refresh(http, session["refresh_token"])).status_code == 401


async def test_tokens_run_out(pki: Pki, migrated_dsn: str, valkey_url: str) -> None:
    now = [time.time()]
    async with running_cloud(pki, migrated_dsn, valkey_url, clock=lambda: now[0]) as cloud:
        await cloud.user("ann")
        http = await cloud.http()
        session = (await login(http)).json()
        bearer = {"Authorization": f"Bearer {session['access_token']}"}
        now[0] += 899
        assert (await http.get("/api/v1/me", headers=bearer)).status_code == 200
        now[0] += 2
        assert (await http.get("/api/v1/me", headers=bearer)).status_code == 401
        now[0] += 30 * 86400
        assert (await refresh(http, session["refresh_token"])).status_code == 401


async def test_an_admin_manages_the_users_of_his_organization(cloud: TestCloud) -> None:
    admin, http = await cloud.member("admin", "demo"), await cloud.http()
    added = await admin.post("/api/v1/users", json={"id": "ann", "password": PASSWORD, "role": "viewer"})
    assert (added.status_code, added.json()["organization"]) == (201, "demo")
    again = await admin.post("/api/v1/users", json={"id": "ann", "password": PASSWORD, "role": "viewer"})
    assert again.status_code == 409
    session = (await login(http)).json()
    assert (await admin.patch("/api/v1/users/ann", json={"role": "operator"})).json()["role"] == "operator"
    assert (await admin.patch("/api/v1/users/ann", json={"password": "another one"})).status_code == 200
    assert (await refresh(http, session["refresh_token"])).status_code == 401
    assert (await login(http, password="another one")).json()["user"]["role"] == "operator"
    assert (await admin.patch("/api/v1/users/ann", json={"disabled": True})).json()["disabled"] is True
    assert (await login(http, password="another one")).status_code == 401
    assert [user["id"] for user in (await admin.get("/api/v1/users")).json()["items"]] == ["ann"]


async def test_nobody_gives_rights_that_he_does_not_have(cloud: TestCloud) -> None:
    await cloud.user("root", every=True)
    admin = await cloud.member("admin", "default")
    more = {"id": "eve", "password": PASSWORD, "role": "admin"}
    assert (await admin.post("/api/v1/users", json={**more, "all_organizations": True})).status_code == 403
    foreign = await admin.post("/api/v1/users", json={**more, "organization": "demo"})
    assert (foreign.status_code, foreign.json()["field"]) == (422, "organization")
    assert (await admin.patch("/api/v1/users/root", json={"password": "taken over"})).status_code == 403
    assert (await (await cloud.http()).post("/api/v1/auth/login", json={"user": "root", "password": PASSWORD})).status_code == 200
    own = await cloud.http(cloud.token("admin", user="root", every=True))
    assert (await own.patch("/api/v1/users/root", json={"role": "viewer"})).status_code == 403


def unknown_fields(count: int) -> bytes:
    return b"{" + b",".join(b'"a%d":1' % number for number in range(count)) + b"}"


async def sent(cloud: TestCloud, body: bytes) -> httpx.Response:
    http = await cloud.http()
    return await http.post("/api/v1/auth/login", content=body, headers={"Content-Type": "application/json"})


async def test_of_a_body_full_of_wrong_fields_little_is_told(cloud: TestCloud) -> None:
    some = await sent(cloud, unknown_fields(5000))
    assert (some.status_code, len(some.json()["errors"])) == (422, MOST_ERRORS)
    assert [e["field"] for e in some.json()["errors"][:3]] == ["user", "password", "a0"]
    assert some.json()["detail"].endswith("; and more")
    assert len(some.content) < 8192
    huge = await sent(cloud, unknown_fields(90_000))  # nothing is looked for in it
    assert (huge.status_code, len(huge.json()["errors"])) == (422, 1)
    long = await sent(cloud, b'{"' + b"a" * 900_000 + b'":1,"user":"x"}')
    assert (long.status_code, len(long.content) < 8192) == (422, True)


@pytest.mark.parametrize("body", [b'{"user":"\xff"}', b'{"\xff":1}', b'{"user":"a\\n\xc3","password":5}', b'"\xc3\x28"', b"\xff"])
async def test_json_that_is_no_utf_8_is_the_callers_mistake(cloud: TestCloud, body: bytes) -> None:
    answer = await sent(cloud, body)
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
