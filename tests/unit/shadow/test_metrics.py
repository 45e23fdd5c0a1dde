"""What the shadow counts."""

from dataclasses import replace

from prometheus_client import CollectorRegistry, generate_latest

from iotsphere.devices import device_types
from iotsphere.devices._spec import Property
from shadow.metrics import OTHER, ShadowMetrics

TYPE = replace(next(iter(device_types().values())), key="kiln", properties=(Property("heat", "Heat", "number"),))


def test_only_declared_properties_are_labels() -> None:
    registry = CollectorRegistry()
    metrics = ShadowMetrics(registry, {"kiln": TYPE})
    for device_type, key in (("kiln", "heat"), ("kiln", "free text of a device"), ("", "heat"), ("unknown", "heat")):
        metrics.converged(device_type, key, 2.0)
    assert registry.get_sample_value("shadow_converge_seconds_count", {"property": "heat"}) == 1
    assert registry.get_sample_value("shadow_converge_seconds_count", {"property": OTHER}) == 3
    assert registry.get_sample_value("shadow_converge_seconds_bucket", {"property": "heat", "le": "3.0"}) == 1
    assert b"free text" not in generate_latest(registry)
