"""What Prometheus sees of a running broker."""

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from broker.metrics import BrokerCollector
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
        assert registry.get_sample_value("iotsphere_broker_refusals_total") == 1
        assert registry.get_sample_value("iotsphere_broker_lane_messages_total", {"lane": "telemetry"}) == 1
        assert b"iotsphere_broker_paused_sockets 0.0" in generate_latest(registry)
        await client.close()
