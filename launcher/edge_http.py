"""Health and metrics of `edge` over HTTP: loopback only, no framework."""

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from iotsphere.infra.http import ASGIApp

Health = Callable[[], Awaitable[Mapping[str, Any]]]
Answer = tuple[int, str, bytes]
JSON = "application/json"


def edge_app(health: Health, metrics: CollectorRegistry) -> ASGIApp:
    """An ASGI application.

    Args:
        health: a map with ``ready`` and ``parts``.
        metrics: what /metrics shows.
    """

    async def live() -> Answer:
        return 200, JSON, b'{"live":true}'

    async def ready() -> Answer:
        found = await health()
        return 200 if found["ready"] else 503, JSON, json.dumps(found).encode()

    async def numbers() -> Answer:
        return 200, CONTENT_TYPE_LATEST, generate_latest(metrics)

    routes = {"/health/live": live, "/health/ready": ready, "/metrics": numbers}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await _live_through(receive, send)
        elif scope["type"] == "http":
            route = routes.get(scope["path"])
            await _answer(send, await route() if route else (404, JSON, b'{"title":"Not Found","status":404}'))

    return app


async def _live_through(receive: Any, send: Any) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


async def _answer(send: Any, answer: Answer) -> None:
    status, content_type, body = answer
    headers = [(b"content-type", content_type.encode()), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
