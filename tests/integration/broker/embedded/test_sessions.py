"""Sessions that outlive a connection, wills and retained messages: who gets what, and what is bounded."""

import asyncio

import pytest

from broker.api import Lane, Sent
from broker.embedded.codec import PUBACK, PUBREC, encode_ack, encode_publish
from broker.embedded.limits import Limits
from iotsphere import topics
from tests.support.brokers import running_broker
from tests.support.mqtt_raw import RawClient, connect
from tests.support.pki import Pki
from tests.support.waiting import until

pytestmark = pytest.mark.integration
READINGS = topics.telemetry("d")
COMMANDS = topics.command_request_filter("d")


def request(number: int) -> str:
    return topics.command_request("d", str(number))


# ── sessions ───────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_kept_session_needs_no_new_subscription_and_the_platform_is_told_of_its_filters(pki: Pki) -> None:
    async with running_broker(pki) as it:
        client = await it.client("d", clean=False)
        await client.subscribed(COMMANDS)
        client.vanish()
        await it.gone()
        assert (await it.broker.send("d", request(1), b"x")).sent is Sent.OFFLINE
        client = await it.client("d", clean=False, present=True)
        await until(lambda: it.listener.subscribed == [COMMANDS] * 2)
        result = await it.broker.send("d", request(2), b"x")
        assert (result.sent, result.session) == (Sent.QUEUED, 2)
        assert (await client.received()).topic == request(2)
        await client.close()


async def test_a_clean_session_forgets_what_was_kept(pki: Pki) -> None:
    async with running_broker(pki) as it:
        await (client := await it.client("d", clean=False)).subscribed(COMMANDS)
        await client.leave()
        await (await it.client("d", clean=True)).leave()
        client = await it.client("d", clean=False)
        assert (await it.broker.send("d", request(1), b"x")).sent is Sent.OFFLINE
        await client.close()


async def test_takeover_hands_a_kept_session_on(pki: Pki) -> None:
    async with running_broker(pki) as it:
        old = await it.client("d", clean=False)
        await old.subscribed(COMMANDS)
        await it.broker.send("d", request(1), b"x", message="c1")
        sent = await old.message()
        new = await it.client("d", clean=False, present=True)
        await old.ended()
        again = await new.message()
        assert (again.packet_id, again.dup, again.payload) == (sent.packet_id, True, b"x")
        new.write(encode_ack(PUBACK, again.packet_id))
        await until(lambda: it.listener.delivered == [("d", 2, "c1")])
        await new.close()


async def test_a_named_message_that_was_not_sent_yet_is_left_to_whoever_named_it(pki: Pki) -> None:
    async with running_broker(pki, Limits(window=1)) as it:
        client = await it.client("d", clean=False)
        await client.subscribed(COMMANDS)
        await it.broker.send("d", request(1), b"1", message="c1")
        await it.broker.send("d", request(2), b"2", message="c2")
        await it.broker.send("d", request(3), b"3")
        await client.message()
        client.vanish()
        await it.gone()
        client = await it.client("d", clean=False, present=True)
        assert [((m := await client.received()).payload, m.dup) for _ in range(2)] == [(b"1", True), (b"3", False)]
        await client.nothing()
        await client.close()


async def test_an_expired_command_is_not_sent_again(pki: Pki) -> None:
    async with running_broker(pki) as it:
        client = await it.client("d", clean=False)
        await client.subscribed(COMMANDS)
        await it.broker.send("d", request(1), b"1", ttl=0.2)
        await client.message()
        client.vanish()
        await asyncio.sleep(0.25)
        client = await it.client("d", clean=False, present=True)
        await client.nothing()
        await client.close()


async def test_qos_2_stays_one_message_over_a_reconnect(pki: Pki) -> None:
    async with running_broker(pki) as it:
        client = await it.client("d", clean=False)
        client.publish(READINGS, b"{}", 5, qos=2)
        assert await client.packet() == encode_ack(PUBREC, 5)
        client.vanish()
        client = await it.client("d", clean=False, present=True)
        client.publish(READINGS, b"{}", 5, qos=2, dup=True)
        assert await client.packet() == encode_ack(PUBREC, 5)
        assert len(it.ingest.committed) == 1
        await client.close()


async def test_qos_2_repeated_while_its_commit_is_under_way_is_acknowledged_after_it(pki: Pki) -> None:
    async with running_broker(pki) as it:
        client = await it.client("d", clean=False)
        it.ingest.gates[Lane.TELEMETRY].clear()
        client.publish(READINGS, b"{}", 5, qos=2)
        await until(lambda: it.broker.health().pending_messages == 1)
        client.vanish()
        await it.gone()
        client = await it.client("d", clean=False, present=True)
        client.publish(READINGS, b"{}", 5, qos=2, dup=True)
        client.publish(topics.event("d"), b"{}", 6)
        await client.nothing()
        it.ingest.gates[Lane.TELEMETRY].set()
        assert [await client.packet() for _ in range(2)] == [encode_ack(PUBREC, 5), encode_ack(PUBACK, 6)]
        assert [d.topic for d in it.ingest.committed].count(READINGS) == 1
        await client.close()


async def test_too_many_unreleased_messages_of_qos_2_end_the_connection_and_what_came_before_is_committed(pki: Pki) -> None:
    async with running_broker(pki, Limits(unreleased=3)) as it:
        client = await it.client("d")
        client.write(b"".join(encode_publish(READINGS, b"{}", 2, n) for n in range(1, 6)))
        await until(lambda: it.listener.presence[-1].reason == "protocol")
        await until(lambda: len(it.ingest.committed) == 3)
        await client.close()


async def test_sessions_that_are_away_are_bounded_in_number(pki: Pki) -> None:
    async with running_broker(pki, Limits(kept_sessions=2)) as it:
        for name in ("a", "b", "c"):
            client = await it.client(name, clean=False)
            await client.subscribed(topics.command_request_filter(name))
            await client.leave()
        assert (len(it.broker.sessions.kept), it.broker.sessions.kept.forgotten) == (2, 1)
        for name, present in (("b", True), ("c", True), ("a", False)):
            await (await it.client(name, clean=False, present=present)).close()


async def test_messages_for_who_is_away_are_bounded_and_counted(pki: Pki) -> None:
    async with running_broker(pki, Limits(queue=5, kept_bytes=700)) as it:
        for name in ("one", "two"):
            it.service(name)
            service = await it.client(name, clean=False)
            await service.subscribed("#")
            await service.leave()
        client = await it.client("d")
        for number in range(1, 8):
            await client.published(READINGS, b"%d" % number * 100, number)
        kept = it.broker.sessions.kept
        assert (kept.held, kept.dropped) == (700, 7)
        for name, count in (("one", 4), ("two", 3)):
            service = await it.client(name, clean=False, present=True)
            found = [await service.received() for _ in range(count)]
            assert [m.payload[:1] for m in found] == [b"%d" % n for n in range(1, count + 1)]
            await service.close()
        await client.close()


async def test_who_belongs_to_another_organization_now_gets_nothing_older(pki: Pki) -> None:
    async with running_broker(pki) as it:
        client = await it.client("d", clean=False)
        await client.subscribed(COMMANDS)
        await it.broker.send("d", request(1), b"secret")
        await client.message()
        client.vanish()
        await it.gone()
        it.device("d", organization="acme")
        client = await it.client("d", clean=False)
        await client.nothing()
        await client.close()


@pytest.mark.parametrize("clean", [True, False])
async def test_a_service_with_the_id_of_a_device_does_not_touch_its_session(pki: Pki, clean: bool) -> None:
    async with running_broker(pki) as it:
        device = await it.client("d", clean=False)
        await device.subscribed(COMMANDS)
        await device.leave()
        context = pki.client("d")
        it.service("d")  # overwrites the files of the device's certificate
        service = await RawClient.session(it.port, pki.client("d"), "d", clean=clean)
        await service.close()
        await until(lambda: not it.broker._connections)
        device = await RawClient.session(it.port, context, "d", clean=False, present=True)
        await it.broker.send("d", request(1), b"still heard")
        assert (await device.received()).payload == b"still heard"
        await device.close()


# ── holes that other brokers had ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("clean", [True, False])
@pytest.mark.parametrize("intruder", ["e", "watcher"])
async def test_another_certificate_gets_neither_the_session_nor_harms_it(pki: Pki, clean: bool, intruder: str) -> None:
    async with running_broker(pki) as it:
        it.device("e")
        it.service("watcher")
        victim = await it.client("d", clean=False)
        await victim.subscribed(COMMANDS)
        for _ in range(2):  # while the victim is connected, and while it is away
            thief = await RawClient.open(it.port, pki.client(intruder))
            thief.write(connect("d", clean=clean))
            assert await thief.packet() == b"\x20\x02\x00\x02"
            await thief.ended()
            if victim.writer.is_closing():
                continue
            await victim.alive()
            await it.broker.send("d", request(1), b"secret")
            assert (await victim.received()).payload == b"secret"
            await victim.leave()
        victim = await it.client("d", clean=False, present=True)
        await it.broker.send("d", request(2), b"still heard")
        assert (await victim.received()).payload == b"still heard"
        assert len(it.broker._connections) == 1
        await victim.close()


async def test_a_connect_brings_no_retained_message_that_was_not_subscribed_to(pki: Pki) -> None:
    async with running_broker(pki) as it:
        it.service("watcher")
        await (watcher := await it.client("watcher")).subscribed("#")
        d = await it.client("d")
        await d.published(READINGS, b"private", 1, retain=True)
        await watcher.received()
        e = await it.client("e", clean=False)
        await e.nothing()
        await e.subscribed("iot/v1/e/#")
        await e.nothing()
        await e.close()
        await d.close()
        await watcher.close()


async def test_retained_messages_are_seen_by_their_device_and_services_of_its_organization_as_it_is_now(pki: Pki) -> None:
    async with running_broker(pki) as it:
        it.service("ours")
        it.service("theirs", "acme")
        device = await it.client("d")
        await device.published(READINGS, b"x", 1, retain=True)
        await device.subscribed(READINGS)
        assert (await device.received()).retain
        ours, theirs = await it.client("ours"), await it.client("theirs")
        await ours.subscribed("#")
        assert (await ours.received()).payload == b"x"
        await theirs.subscribed("#")
        await theirs.nothing()
        it.registry.add("d", organization="acme")
        for service in (ours, theirs):
            await service.subscribed("#")
            await service.nothing()
            await service.close()
        await device.close()


async def test_a_refused_retained_message_is_not_retained(pki: Pki) -> None:
    async with running_broker(pki) as it:
        it.service("watcher")
        client = await it.client("e")
        it.device("d")
        await client.published(READINGS, b"forged", 1, retain=True)
        await client.published("nonsense", b"x", 2, retain=True)
        await (watcher := await it.client("watcher")).subscribed("#")
        await watcher.nothing()
        await client.close()
        await watcher.close()


async def test_retained_messages_are_bounded(pki: Pki) -> None:
    async with running_broker(pki, Limits(retained=2)) as it:
        client = await it.client("d")
        for number, topic in enumerate((READINGS, topics.event("d"), topics.status("d")), 1):
            await client.published(topic, b"x", number, retain=True)
        await client.subscribed("iot/v1/d/+", packet_id=9)
        assert {(await client.received()).topic for _ in range(2)} == {topics.event("d"), topics.status("d")}
        assert (len(it.broker.fan_out.retained), it.broker.fan_out.retained.dropped) == (2, 1)
        await client.close()


# ── wills ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("topic", [topics.status("e"), "iot/v1/+/status", "nonsense", ""])
async def test_a_will_that_may_not_be_published_is_refused_at_connect(pki: Pki, topic: str) -> None:
    async with running_broker(pki) as it:
        it.device("e")
        client = await it.client("d", will=(topic, b"gone"))
        await until(lambda: len(it.listener.refused) == 1)
        assert it.listener.refused[0][1] == "acl"
        assert it.listener.refused[0][2].startswith("will: ")
        client.vanish()
        await it.gone()
        await asyncio.sleep(0.05)
        assert it.ingest.committed == []


async def test_a_will_is_sent_once_on_takeover_and_retained_if_it_says_so_but_not_for_whoever_is_thrown_out(pki: Pki) -> None:
    will = (topics.status("d"), b"gone")
    async with running_broker(pki) as it:
        it.service("watcher")
        await (watcher := await it.client("watcher")).subscribed("#")
        await it.client("d", will=will, will_retain=True)
        second = await it.client("d", will=will)
        assert ((await watcher.received()).payload, len(it.ingest.committed)) == (b"gone", 1)
        await it.broker.kick("d", "kicked")
        await second.ended()
        await watcher.nothing()
        await watcher.subscribed("#")
        assert (await watcher.received()).retain
        assert len(it.ingest.committed) == 1
        await watcher.close()


async def test_no_will_is_sent_when_the_broker_itself_stops(pki: Pki) -> None:
    async with running_broker(pki) as it:
        client = await it.client("d", will=(topics.status("d"), b"gone"))
        await it.broker.stop()
        await client.ended()
        assert it.listener.presence[-1].reason == "shut_down"
        assert it.ingest.committed == []
