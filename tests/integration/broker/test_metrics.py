"""What Prometheus sees of a running broker."""

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from broker.api import Lane
from broker.metrics import BrokerCollector, CommitMetrics
from iotsphere import topics
from tests.support.brokers import running_broker
from tests.support.mqtt_raw import RawClient
from tests.support.pki import Pki
from tests.support.waiting import until

pytestmark = pytest.mark.integration


async def test_the_broker_s_counters_are_exported(pki: Pki) -> None:
    async with running_broker(pki) as it:
        it.device("d")
        registry = CollectorRegistry()
        registry.register(BrokerCollector(it.broker))
        client = await RawClient.session(it.port, pki.client("d"), "d")
        client.publish(topics.telemetry("d"), b"{}", 1)
        client.publish(topics.telemetry("other"), b"{}", 2)
        await client.packet()
        await client.packet()
        await until(lambda: it.broker.health().pending_messages == 0)
        assert registry.get_sample_value("iotsphere_broker_connections") == 1
        assert registry.get_sample_value("iotsphere_broker_connects_total") == 1
        assert registry.get_sample_value("iotsphere_broker_refusals_total", {"category": "acl"}) == 1
        assert registry.get_sample_value("iotsphere_broker_acknowledgements_total") == 2
        assert registry.get_sample_value("iotsphere_broker_handshakes_total", {"listener": "mqtts"}) == 1
        assert registry.get_sample_value("iotsphere_broker_handshakes_total", {"listener": "wss"}) == 0
        assert registry.get_sample_value("iotsphere_broker_lane_given_up_total", {"lane": "telemetry"}) == 0
        assert registry.get_sample_value("iotsphere_broker_pending_limit_bytes") == 64 << 20
        assert registry.get_sample_value("iotsphere_broker_lane_messages_total", {"lane": "telemetry"}) == 1
        assert b"iotsphere_broker_paused_sockets 0.0" in generate_latest(registry)
        await client.close()


def test_commits_are_observed_by_lane() -> None:
    registry = CollectorRegistry()
    commits = CommitMetrics(registry)
    commits.observe(Lane.TELEMETRY, 100, 0.004)
    commits.observe(Lane.EVENT, 1, 0.2)
    assert registry.get_sample_value("iotsphere_broker_batch_messages_sum", {"lane": "telemetry"}) == 100
    assert registry.get_sample_value("iotsphere_broker_commit_seconds_bucket", {"lane": "telemetry", "le": "0.005"}) == 1
    assert registry.get_sample_value("iotsphere_broker_commit_seconds_bucket", {"lane": "event", "le": "0.1"}) == 0
