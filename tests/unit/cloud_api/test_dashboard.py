import os
from pathlib import Path
from typing import Any

import pytest

from cloud_api.dashboard import Dashboard


async def get(app: Dashboard, path: str, method: str = "GET", accept: bytes = b"gzip") -> tuple[int, dict[bytes, bytes], bytes]:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {}

    await app({"type": "http", "method": method, "path": path, "headers": [(b"accept-encoding", accept)]}, receive, send)
    return sent[0]["status"], dict(sent[0]["headers"]), sent[1]["body"]


@pytest.fixture
def built(tmp_path: Path) -> Path:
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text("<!doctype html>one")
    (tmp_path / "assets" / "a-1.js").write_text("x" * 2000)
    (tmp_path / "icon.svg").write_text("<svg/>")
    return tmp_path


async def test_pages_are_the_index_and_assets_are_for_ever(built: Path) -> None:
    app = Dashboard(built)
    assert (await get(app, "/devices/x"))[2] == b"<!doctype html>one"
    status, headers, body = await get(app, "/assets/a-1.js")
    assert (status, headers[b"content-encoding"], b"immutable" in headers[b"cache-control"]) == (200, b"gzip", True)
    assert len(body) < 100
    assert (await get(app, "/assets/a-1.js", accept=b""))[2] == b"x" * 2000
    assert (await get(app, "/assets/b-2.js"))[0] == 404
    assert (await get(app, "/icon.svg"))[1][b"content-type"] == b"image/svg+xml; charset=utf-8"


async def test_head_has_no_body_and_nothing_is_posted(built: Path) -> None:
    status, headers, body = await get(Dashboard(built), "/", "HEAD")
    assert (status, headers[b"content-length"], body) == (200, b"18", b"")
    assert (await get(Dashboard(built), "/", "POST"))[0] == 405


async def test_a_new_build_is_served_without_a_restart(built: Path) -> None:
    app = Dashboard(built)
    await get(app, "/")
    (built / "index.html").write_text("<!doctype html>two, longer")
    os.utime(built / "index.html", ns=(1, 1))
    assert (await get(app, "/"))[2] == b"<!doctype html>two, longer"


async def test_without_a_build_it_says_how_to_make_one(tmp_path: Path) -> None:
    status, _, body = await get(Dashboard(tmp_path / "nothing"), "/")
    assert (status, b"not built" in body) == (200, True)
