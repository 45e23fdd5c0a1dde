"""Prometheus metrics of the cloud process, in a registry of the application's own."""

import re

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SEGMENT = re.compile(r"[a-z][a-z_-]{0,40}\Z")
_COLLECTIONS = ("devices", "telemetry", "commands", "certificates", "users", "shadows")
BUCKETS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0)


class HttpMetrics:
    """Requests by route shape: ids are replaced, so the number of label values is bounded."""

    def __init__(self, registry: CollectorRegistry, collections: frozenset[str]) -> None:
        self._with_ids = frozenset(_COLLECTIONS) | collections
        self._seconds = Histogram(
            "iotsphere_http_request_seconds",
            "Time to the first byte",
            ["method", "route", "status"],
            buckets=BUCKETS,
            registry=registry,
        )

    def observe(self, method: str, path: str, status: int, seconds: float) -> None:
        """Count one response."""
        known = method if method in ("GET", "HEAD", "POST", "PATCH", "PUT", "DELETE", "OPTIONS") else "other"
        self._seconds.labels(known, self.route(path) if status not in (404, 405) else "none", str(status)).observe(seconds)

    def route(self, path: str) -> str:
        """The path with its ids replaced; everything outside the API is one route."""
        if not path.startswith("/api/v1/"):
            return path if path in ("/metrics", "/health/live", "/health/ready") else "pages"
        shape: list[str] = []
        for segment in path.removeprefix("/api/v1/").split("/")[:6]:
            named = _SEGMENT.match(segment) is not None and not (shape and shape[-1] in self._with_ids and segment != "average")
            shape.append(segment if named else "{id}")
        return "/api/v1/" + "/".join(shape)


class LiveMetrics:
    """What the live side sends and drops."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.sessions = Gauge("iotsphere_live_sessions", "Connected browsers", registry=registry)
        self.packets = Counter("iotsphere_live_packets", "Packets queued for clients", registry=registry)
        self.dropped = Counter("iotsphere_live_dropped", "Packets not queued because a client is slow", registry=registry)
        self.points = Counter("iotsphere_live_points", "Readings seen on the bus", registry=registry)
        self.overflow = Counter("iotsphere_live_overflow_points", "Readings that found a room's buffer full", registry=registry)


def add_process_metrics(registry: CollectorRegistry) -> None:
    """The process's own figures."""
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)


def render(registry: CollectorRegistry) -> bytes:
    """The exposition text."""
    return generate_latest(registry)
