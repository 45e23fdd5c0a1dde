"""MQTT 3.1.1 as a client sees it: one test for each subject that interoperability suites ask about."""

import time

import pytest

from broker.embedded.codec import PUBACK, PUBCOMP, PUBREC, PUBREL, encode_ack
from broker.embedded.limits import Limits
from iotsphere import topics
from tests.support.brokers import running_broker
from tests.support.mqtt_raw import RawClient, connect, packet, subscribe
from tests.support.pki import Pki
from tests.support.waiting import until

pytestmark = pytest.mark.integration
READINGS = topics.telemetry("d")
EVENTS = topics.event("d")
STATUS = topics.status("d")


@pytest.mark.parametrize(("granted", "expected"), [(0, [0, 0, 0]), (1, [0, 1, 1]), (2, [0, 1, 2])])
async def test_basic_every_quality_of_service_to_every_other(
    pki: Pki, over: type[RawClient], granted: int, expected: list[int]
) -> None:
    async with running_broker(pki, over=over) as it:
        it.service("watcher")
        watcher = await it.client("watcher")
        await watcher.subscribed(READINGS, qos=granted)
        client = await it.client("d")
        for qos in (0, 1, 2):
            await client.published(READINGS, b"%d" % qos, qos + 1, qos)
        found = [await watcher.received() for _ in range(3)]
        assert [(m.topic, m.payload, m.qos) for m in found] == [(READINGS, b"%d" % n, expected[n]) for n in range(3)]
        assert not any(m.dup or m.retain for m in found)
        assert [d.qos for d in it.ingest.committed] == [0, 1, 2]
        await client.leave()
        await watcher.leave()


async def test_basic_a_client_hears_itself_where_it_subscribed_to_that(pki: Pki, over: type[RawClient]) -> None:
    async with running_broker(pki, over=over) as it:
        client = await it.client("d")
        await client.subscribed("iot/v1/d/#", qos=2)
        client.publish(READINGS, b"a", 7)
        assert (await client.message()).payload == b"a"
        assert await client.packet() == encode_ack(PUBACK, 7)
        await client.close()


async def test_retained_messages(pki: Pki, over: type[RawClient]) -> None:
    async with running_broker(pki, over=over) as it:
        it.service("watcher")
        client = await it.client("d")
        for number, (topic, qos) in enumerate(((READINGS, 0), (EVENTS, 1), (STATUS, 2)), 1):
            await client.published(topic, b"old", number, qos, retain=True)
            await client.published(topic, b"new", number, qos, retain=True)
        watcher = await it.client("watcher")
        await watcher.subscribed("iot/v1/+/+", qos=2)
        found = [await watcher.received() for _ in range(3)]
        assert sorted((m.topic, m.payload, m.qos, m.retain) for m in found) == [
            (EVENTS, b"new", 1, True),
            (STATUS, b"new", 2, True),
            (READINGS, b"new", 0, True),
        ]
        await client.published(READINGS, b"live", 1, 0, retain=True)
        assert not (await watcher.received()).retain
        for topic in (READINGS, EVENTS, STATUS):
            await client.published(topic, b"", 1, retain=True)
        for _ in range(3):
            assert (await watcher.received()).payload == b""
        await watcher.subscribed("iot/v1/+/+", qos=2)
        await watcher.nothing()
        await client.close()
        await watcher.close()


async def test_will_message(pki: Pki, over: type[RawClient]) -> None:
    async with running_broker(pki, over=over) as it:
        it.service("watcher")
        watcher = await it.client("watcher")
        await watcher.subscribed(STATUS, qos=2)
        client = await it.client("d", will=(STATUS, b"gone"), keep_alive=2)
        client.vanish()
        found = await watcher.received()
        assert (found.topic, found.payload, found.qos, found.retain) == (STATUS, b"gone", 1, False)
        await (await it.client("d", will=(STATUS, b"gone"))).leave()
        await watcher.nothing()
        assert [d.payload for d in it.ingest.committed] == [b"gone"]
        await watcher.close()


async def test_zero_length_client_id(pki: Pki, over: type[RawClient]) -> None:
    async with running_broker(pki, over=over) as it:
        it.device("d")
        refused = await it.open("d")
        refused.write(connect("", clean=False))
        assert await refused.packet() == b"\x20\x02\x00\x02"
        await refused.ended()
        client = await it.open("d")
        client.write(connect("", clean=True))
        assert await client.packet() == b"\x20\x02\x00\x00"
        assert it.broker.connected() == {"d": 1}
        await client.close()


async def test_offline_message_queueing(pki: Pki, over: type[RawClient]) -> None:
    async with running_broker(pki, over=over) as it:
        it.service("watcher")
        watcher = await it.client("watcher", clean=False)
        await watcher.subscribed("iot/v1/+/telemetry", qos=2)
        await watcher.leave()
        client = await it.client("d")
        for qos in (0, 1, 2):
            await client.published(READINGS, b"%d" % qos, qos + 1, qos)
        watcher = await it.client("watcher", clean=False, present=True)
        assert [((m := await watcher.received()).payload, m.qos, m.dup) for _ in range(2)] == [(b"1", 1, False), (b"2", 2, False)]
        await watcher.nothing()
        await watcher.leave()
        await (await it.client("watcher", clean=True)).leave()
        await (await it.client("watcher", clean=False)).leave()
        await client.close()


async def test_overlapping_subscriptions_deliver_once_at_the_highest_qos(pki: Pki, over: type[RawClient]) -> None:
    async with running_broker(pki, over=over) as it:
        it.service("watcher")
        watcher = await it.client("watcher")
        watcher.write(subscribe(1, "iot/v1/+/telemetry", qos=2))
        watcher.write(subscribe(2, "iot/v1/#", READINGS, "#", qos=1))
        assert [await watcher.packet() for _ in range(2)] == [b"\x90\x03\x00\x01\x02", b"\x90\x05\x00\x02\x01\x01\x01"]
        client = await it.client("d")
        await client.published(READINGS, b"x", 1, 2)
        assert (await watcher.received()).qos == 2
        await watcher.nothing()
        await client.subscribed("iot/v1/d/command/+/request", qos=0, packet_id=1)
        await client.subscribed("iot/v1/d/#", qos=2, packet_id=2)
        await it.broker.send("d", topics.command_request("d", "c"), b"x", qos=2)
        assert (await client.received()).qos == 2
        await client.nothing()
        await client.close()
        await watcher.close()


async def test_keep_alive(pki: Pki, over: type[RawClient]) -> None:
    async with running_broker(pki, Limits(sweep_seconds=0.1), over=over) as it:
        client = await it.client("d", keep_alive=1, will=(STATUS, b"silent"))
        began = time.monotonic()
        await client.ended(6)
        assert 1.4 < time.monotonic() - began < 3.5
        assert it.listener.presence[-1].reason == "keep_alive"
        await until(lambda: [d.payload for d in it.ingest.committed] == [b"silent"])


async def test_redelivery_on_reconnect(pki: Pki, over: type[RawClient]) -> None:
    async with running_broker(pki, over=over) as it:
        it.service("watcher")
        watcher = await it.client("watcher", clean=False)
        await watcher.subscribed("#", qos=2)
        client = await it.client("d")
        for number, qos in enumerate((1, 2, 2, 1), 1):
            await client.published(READINGS, b"%d" % number, number, qos)
        first = [await watcher.message() for _ in range(4)]
        assert not any(m.dup for m in first)
        watcher.write(encode_ack(PUBREC, first[1].packet_id))
        assert await watcher.packet() == encode_ack(PUBREL, first[1].packet_id)
        watcher.vanish()
        watcher = await it.client("watcher", clean=False, present=True)
        again = [await watcher.message()]
        assert await watcher.packet() == encode_ack(PUBREL, first[1].packet_id)
        again += [await watcher.message() for _ in range(2)]
        assert [(m.payload, m.packet_id, m.dup) for m in again] == [
            (b"1", first[0].packet_id, True),
            (b"3", first[2].packet_id, True),
            (b"4", first[3].packet_id, True),
        ]
        watcher.write(encode_ack(PUBCOMP, first[1].packet_id))
        for found in again:
            watcher.write(encode_ack(PUBACK if found.qos == 1 else PUBREC, found.packet_id))
        assert await watcher.packet() == encode_ack(PUBREL, first[2].packet_id)
        watcher.write(encode_ack(PUBCOMP, first[2].packet_id))
        await watcher.alive()
        watcher.vanish()
        watcher = await it.client("watcher", clean=False, present=True)
        await watcher.nothing()
        await client.close()
        await watcher.close()


async def test_subscribe_failure(pki: Pki, over: type[RawClient]) -> None:
    async with running_broker(pki, over=over) as it:
        client = await it.client("d")
        client.write(subscribe(3, "iot/v1/e/telemetry", READINGS, "$share/g/iot/v1/d/#", "a/#/b"))
        assert await client.packet() == b"\x90\x06\x00\x03\x80\x01\x80\x80"
        await client.alive()
        await client.close()


async def test_dollar_topics(pki: Pki, over: type[RawClient]) -> None:
    async with running_broker(pki, over=over) as it:
        it.service("watcher")
        watcher = await it.client("watcher")
        await watcher.subscribed("#", "+/#", "+/v1/d/telemetry", qos=0)
        client = await it.client("d")
        await client.published("$SYS/v1/d/telemetry", b"x", 1)
        await client.published("$iot/v1/d/telemetry", b"x", 2, retain=True)
        await watcher.nothing()
        assert it.ingest.committed == []
        assert [reason for _, _, reason, _ in it.listener.refused] == ["no such topic: see the wire contract"] * 2
        await client.close()
        await watcher.close()


async def test_unsubscribe(pki: Pki, over: type[RawClient]) -> None:
    async with running_broker(pki, over=over) as it:
        it.service("watcher")
        watcher = await it.client("watcher")
        await watcher.subscribed(READINGS, EVENTS, STATUS, qos=1)
        unsubscribe = packet(
            0xA2, b"\x00\x09" + b"".join(len(t).to_bytes(2, "big") + t.encode() for t in (READINGS, "never/was"))
        )
        watcher.write(unsubscribe)
        assert await watcher.packet() == b"\xb0\x02\x00\x09"
        client = await it.client("d")
        for number, topic in enumerate((READINGS, EVENTS, STATUS), 1):
            await client.published(topic, b"x", number)
        assert [(await watcher.received()).topic for _ in range(2)] == [EVENTS, STATUS]
        await watcher.nothing()
        await client.close()
        await watcher.close()
