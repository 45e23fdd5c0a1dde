"""Prometheus metrics of the broker and of what it writes."""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from broker.api import Lane
from broker.embedded.engine import EmbeddedBroker

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0)
SIZES = (1, 3, 10, 30, 100, 300, 1000, 4000)


class WriterMetrics:
    """What the writers of presence, refusals and subscriptions had to leave out."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        registry = registry or CollectorRegistry()
        self.sessions_dropped = Counter(
            "iotsphere_presence_sessions_dropped",
            "Whole sessions left out of the history while PostgreSQL was away",
            registry=registry,
        )
        self.reconciled = Counter(
            "iotsphere_presence_reconciled", "Presence rows put right because they disagreed with the broker", registry=registry
        )
        self.refusals_dropped = Counter(
            "iotsphere_refusals_dropped", "Refusals that were not recorded because there were too many kinds", registry=registry
        )
        self.subscriptions_dropped = Counter(
            "iotsphere_subscriptions_dropped", "Filters that were not kept because too many changes waited", registry=registry
        )


class CommitMetrics:
    """Commits of the lanes; one observation each, however many messages they carry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._seconds = Histogram(
            "iotsphere_broker_commit_seconds", "From batch to commit", ["lane"], buckets=SECONDS, registry=registry
        )
        self._messages = Histogram(
            "iotsphere_broker_batch_messages", "Messages a commit", ["lane"], buckets=SIZES, registry=registry
        )

    def observe(self, lane: Lane, messages: int, seconds: float) -> None:
        """A commit is done."""
        self._seconds.labels(lane.value).observe(seconds)
        self._messages.labels(lane.value).observe(messages)


class BrokerCollector(Collector):
    """Reads the embedded broker's own counters when Prometheus asks: nothing is counted twice, nothing on the hot path."""

    def __init__(self, broker: EmbeddedBroker) -> None:
        self._broker = broker

    def collect(self) -> Iterator[Metric]:
        """The families."""
        broker, health = self._broker, self._broker.health()
        yield GaugeMetricFamily("iotsphere_broker_connections", "Live MQTT sessions", value=health.connections)
        yield CounterMetricFamily("iotsphere_broker_connects", "Accepted CONNECTs", value=broker.connects)
        yield CounterMetricFamily("iotsphere_broker_acknowledgements", "PUBACKs and PUBRECs", value=broker.acknowledgements)
        refusals = CounterMetricFamily("iotsphere_broker_refusals", "Refused connections and messages", labels=["category"])
        for category, count in broker.refusals.items():
            refusals.add_metric([category], count)
        yield refusals
        yield GaugeMetricFamily(
            "iotsphere_broker_pending_messages", "Messages waiting for their commit", value=health.pending_messages
        )
        yield GaugeMetricFamily("iotsphere_broker_pending_bytes", "Payload bytes waiting for it", value=health.pending_bytes)
        yield GaugeMetricFamily("iotsphere_broker_paused_sockets", "Sockets not read at present", value=health.paused_sockets)
        yield GaugeMetricFamily(
            "iotsphere_broker_pending_limit_bytes", "The bound of these", value=broker.limits.total_pending_bytes
        )
        yield from self._listeners()
        yield from self._sessions()
        yield from self._lanes()

    def _listeners(self) -> Iterator[Metric]:
        broker = self._broker
        yield GaugeMetricFamily("iotsphere_broker_websockets", "Connections over WebSocket", value=broker.websockets.open)
        arriving = GaugeMetricFamily(
            "iotsphere_broker_arriving", "Connections before the end of their handshake", labels=["listener"]
        )
        done = CounterMetricFamily("iotsphere_broker_handshakes", "TLS handshakes that succeeded", labels=["listener"])
        away = CounterMetricFamily("iotsphere_broker_turned_away", "Connections over the bound", labels=["listener"])
        for listener, arrivals in (("mqtts", broker.arrivals), ("wss", broker.wss_arrivals)):
            arriving.add_metric([listener], arrivals.arriving)
            done.add_metric([listener], arrivals.handshakes)
            away.add_metric([listener], arrivals.turned_away)
        yield from (arriving, done, away)

    def _sessions(self) -> Iterator[Metric]:
        broker = self._broker
        kept, fan_out = broker.sessions.kept, broker.fan_out
        yield CounterMetricFamily("iotsphere_broker_throttled", "Sockets not read for a while: rate", value=broker.throttled)
        yield GaugeMetricFamily("iotsphere_broker_kept_sessions", "Sessions of clients that are away", value=len(kept))
        yield GaugeMetricFamily("iotsphere_broker_kept_bytes", "Payload held for them", value=kept.held)
        yield CounterMetricFamily("iotsphere_broker_kept_sessions_forgotten", "Given up: too many", value=kept.forgotten)
        yield CounterMetricFamily("iotsphere_broker_subscriber_drops", "Messages subscribers could not take", value=kept.dropped)
        yield GaugeMetricFamily("iotsphere_broker_service_filters", "Different filters of services", value=fan_out.filters)
        yield GaugeMetricFamily("iotsphere_broker_retained_messages", "Retained messages", value=len(fan_out.retained))
        yield CounterMetricFamily("iotsphere_broker_retained_dropped", "Given up: too many", value=fan_out.retained.dropped)

    def _lanes(self) -> Iterator[Metric]:
        batches = CounterMetricFamily("iotsphere_broker_lane_batches", "Commits", labels=["lane"])
        messages = CounterMetricFamily("iotsphere_broker_lane_messages", "Committed messages", labels=["lane"])
        waiting = GaugeMetricFamily("iotsphere_broker_lane_waiting", "Groups that no commit has taken yet", labels=["lane"])
        given_up = CounterMetricFamily("iotsphere_broker_lane_given_up", "Messages that no commit takes", labels=["lane"])
        for lane, queue in self._broker.lanes.items():
            given_up.add_metric([lane.value], queue.given_up)
            batches.add_metric([lane.value], queue.batches)
            messages.add_metric([lane.value], queue.messages)
            waiting.add_metric([lane.value], queue.waiting)
        yield from (batches, messages, waiting, given_up)
