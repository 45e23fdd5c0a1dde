"""The health application, called as a server calls it."""

import json
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, Counter

from iotsphere.infra.http import ASGIApp
from launcher.edge_http import edge_app


def app(ready: bool = True) -> ASGIApp:
    registry = CollectorRegistry()
    Counter("things", "Things", registry=registry).inc(3)

    async def health() -> dict[str, Any]:
        return {"ready": ready, "parts": {"broker": {"ok": ready}}}

    return edge_app(health, registry)


async def get(application: ASGIApp, path: str) -> tuple[int, bytes]:
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await application({"type": "http", "path": path}, None, send)
    return sent[0]["status"], sent[1]["body"]


@pytest.mark.parametrize(("ready", "status"), [(True, 200), (False, 503)])
async def test_ready_says_it_in_its_status_and_tells_the_parts(ready: bool, status: int) -> None:
    found, body = await get(app(ready), "/health/ready")
    assert found == status
    assert json.loads(body) == {"ready": ready, "parts": {"broker": {"ok": ready}}}


async def test_live_does_not_ask_the_parts() -> None:
    assert (await get(app(ready=False), "/health/live"))[0] == 200


async def test_metrics_are_prometheus_text() -> None:
    assert b"things_total 3.0" in (await get(app(), "/metrics"))[1]


async def test_anything_else_is_not_found() -> None:
    assert (await get(app(), "/"))[0] == 404


async def test_the_server_s_start_and_stop_are_answered() -> None:
    asked, answered = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}], []

    async def receive() -> dict[str, str]:
        return asked.pop(0)

    async def send(message: dict[str, str]) -> None:
        answered.append(message["type"])

    await app()({"type": "lifespan"}, receive, send)
    assert answered == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
