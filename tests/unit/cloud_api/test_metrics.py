import pytest
from prometheus_client import CollectorRegistry

from cloud_api.metrics import HttpMetrics


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/api/v1/devices", "/api/v1/devices"),
        ("/api/v1/devices/pump", "/api/v1/devices/{id}"),
        ("/api/v1/devices/pump/shadow", "/api/v1/devices/{id}/shadow"),
        ("/api/v1/devices/pump/shadows/lamp/revisions", "/api/v1/devices/{id}/shadows/{id}/revisions"),
        ("/api/v1/devices/p/certificates/ab12/revoke", "/api/v1/devices/{id}/certificates/{id}/revoke"),
        ("/api/v1/test-pumps/pump/commands", "/api/v1/test-pumps/{id}/commands"),
        ("/api/v1/telemetry/average", "/api/v1/telemetry/average"),
        ("/api/v1/users/ann", "/api/v1/users/{id}"),
        ("/health/live", "/health/live"),
        ("/devices/pump", "pages"),
        ("/assets/x.js", "pages"),
    ],
)
def test_ids_are_no_labels(path: str, route: str) -> None:
    assert HttpMetrics(CollectorRegistry(), frozenset(["test-pumps"])).route(path) == route


def test_what_is_not_found_is_one_label() -> None:
    registry = CollectorRegistry()
    metrics = HttpMetrics(registry, frozenset())
    for path in ("/api/v1/guess", "/api/v1/other"):
        metrics.observe("BREW", path, 404, 0.1)
    labels = {"method": "other", "route": "none", "status": "404"}
    assert registry.get_sample_value("iotsphere_http_request_seconds_count", labels) == 2
