"""Prometheus metrics of the bus and the signals."""

from prometheus_client import CollectorRegistry, Counter, Gauge

from iotsphere.events import TOPICS


class BusMetrics:
    """Counts by topic; labels are bound once."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        registry = registry or CollectorRegistry()
        self.published = _by_topic("iotsphere_bus_published", "Events handed to the stream", registry)
        self.lost = _by_topic("iotsphere_bus_lost", "Events dropped because the stream was away or slow", registry)
        self.received = _by_topic("iotsphere_bus_received", "Events read from the stream", registry)
        self.failed = _by_topic("iotsphere_bus_handler_errors", "Events whose handler raised or that could not be read", registry)
        self.restarts = Counter("iotsphere_bus_restarts", "Times the subscribers were built anew", registry=registry)
        self.healthy = Gauge("iotsphere_bus_healthy", "1 while events flow", registry=registry)


class SignalMetrics:
    """Counts of nudges."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        registry = registry or CollectorRegistry()
        self.sent = Counter("iotsphere_signals_sent", "Nudges sent", registry=registry)
        self.lost = Counter("iotsphere_signals_lost", "Nudges that could not be sent", registry=registry)
        self.heard = Counter("iotsphere_signals_heard", "Nudges heard", registry=registry)
        self.failed = Counter("iotsphere_signals_handler_errors", "Nudges whose handler raised", registry=registry)


def _by_topic(name: str, text: str, registry: CollectorRegistry) -> dict[str, Counter]:
    family = Counter(name, text, ["topic"], registry=registry)
    return {topic: family.labels(topic) for topic in TOPICS}
