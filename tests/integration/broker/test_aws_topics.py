"""Shadow topics in AWS's dialect are a device's own, as ours are; and who would hear a message is known before it is made."""

import pytest

from broker.api import Sent
from iotsphere import topics
from iotsphere.topics import Dialect, Kind
from tests.support.brokers import running_broker
from tests.support.mqtt_raw import subscribe
from tests.support.pki import Pki
from tests.support.waiting import until

pytestmark = pytest.mark.integration
UPDATE = topics.shadow("d", "update", None, Dialect.AWS)
REFUSED = 0x80


async def test_a_device_publishes_and_subscribes_below_its_own_thing_only(pki: Pki) -> None:
    async with running_broker(pki) as it:
        client = await it.client("d")
        filters = [
            "$aws/things/d/shadow/get/+",
            "$aws/things/d/shadow/name/lamp/delete/+",
            "$aws/things/e/shadow/get/+",
            "$aws/#",
        ]
        client.write(subscribe(1, *filters))
        assert list((await client.packet())[-4:]) == [1, 1, REFUSED, REFUSED]
        await client.published(UPDATE, b"{}")
        await client.published(topics.shadow("e", "update", None, Dialect.AWS), b"{}")
        await until(lambda: len(it.ingest.committed) == 1)
        route = it.ingest.committed[0].route
        assert (route.kind, route.dialect) == (Kind.SHADOW_UPDATE, Dialect.AWS)
        assert ("d", "acl", "the topic belongs to e") in [refused[:3] for refused in it.listener.refused]


async def test_who_would_hear_a_message_is_known(pki: Pki) -> None:
    async with running_broker(pki) as it:
        delta = topics.shadow_reply("d", "update", "delta", None, Dialect.AWS)
        assert not it.broker.hears("d", delta)
        client = await it.client("d")
        client.write(subscribe(1, "$aws/things/d/shadow/update/+"))
        await client.packet()
        assert it.broker.hears("d", delta)
        assert not it.broker.hears("d", topics.shadow_reply("d", "update", "delta"))
        assert (await it.broker.send("d", delta, b"{}")).sent is Sent.QUEUED
        await client.close()
        await it.gone()
        assert not it.broker.hears("d", delta)
