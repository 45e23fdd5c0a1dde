from prometheus_client import CollectorRegistry

from iotsphere.events import TOPICS
from iotsphere.infra.metrics import BusMetrics, SignalMetrics


def test_every_topic_is_counted_from_the_start_on() -> None:
    registry = CollectorRegistry()
    metrics = BusMetrics(registry)
    metrics.lost[TOPICS[0]].inc()
    assert registry.get_sample_value("iotsphere_bus_lost_total", {"topic": TOPICS[0]}) == 1
    assert [registry.get_sample_value("iotsphere_bus_published_total", {"topic": topic}) for topic in TOPICS] == [0] * len(TOPICS)


def test_two_without_a_registry_do_not_meet() -> None:
    for make in (BusMetrics, SignalMetrics):
        make()
        make()
