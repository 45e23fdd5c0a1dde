"""What wraps the whole application: which part answers a path, security headers, request metrics."""

import time
from collections.abc import Callable, Iterable

from cloud_api.asgi import ASGIApp, Message, Receive, Scope, Send
from cloud_api.metrics import HttpMetrics

API_PREFIXES = ("/api/", "/schema", "/health/", "/metrics")
SECURITY_HEADERS = [
    (
        b"content-security-policy",
        b"default-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; object-src 'none';"
        b" base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=()"),
]
UNCACHED = (b"cache-control", b"no-store")


class Switch:
    """Gives API paths and the lifespan to one application, the rest to another."""

    def __init__(self, api: ASGIApp, pages: ASGIApp) -> None:
        self._api, self._pages = api, pages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Choose by path."""
        is_api = scope["type"] == "lifespan" or scope["path"].startswith(API_PREFIXES)
        await (self._api if is_api else self._pages)(scope, receive, send)


class Outer:
    """Adds the security headers to every HTTP response, keeps API answers out of caches, and counts."""

    def __init__(self, app: ASGIApp, metrics: HttpMetrics, timer: Callable[[], float] = time.perf_counter) -> None:
        self._app, self._metrics, self._timer = app, metrics, timer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on with a wrapped send."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = self._timer()

        async def wrapped(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = with_security(message["headers"])
                self._metrics.observe(scope["method"], scope["path"], message["status"], self._timer() - started)
            await send(message)

        await self._app(scope, receive, wrapped)


def with_security(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """The headers, the security headers, and no-store unless something was said about caching."""
    given = [(bytes(name), bytes(value)) for name, value in headers]
    said = {name.lower() for name, _ in given}
    return [*given, *SECURITY_HEADERS, *([] if UNCACHED[0] in said else [UNCACHED])]
