"""Every bound on what one client may do, and that the others do not feel it."""

import asyncio
import time
from contextlib import AsyncExitStack

import psutil
import pytest

from broker.api import Lane, Sent
from broker.embedded.codec import encode_publish
from broker.embedded.limits import Limits
from iotsphere import topics
from tests.support.brokers import TestBroker, running_broker
from tests.support.mqtt_raw import PINGREQ, RawClient, connect, field, packet, subscribe
from tests.support.pki import Pki
from tests.support.waiting import until

pytestmark = pytest.mark.integration
READINGS = topics.telemetry("d")


async def slowest_ping(client: RawClient, seconds: float) -> float:
    """The longest answer to a PINGREQ in that time."""
    slowest, end = 0.0, time.monotonic() + seconds
    while time.monotonic() < end:
        began = time.monotonic()
        await client.alive()
        slowest = max(slowest, time.monotonic() - began)
        await asyncio.sleep(0.005)
    return slowest


async def test_who_sends_faster_than_the_rate_is_read_at_the_rate_and_nothing_is_lost(pki: Pki) -> None:
    async with running_broker(pki, Limits(rate=200, burst=50)) as it:
        calm, client = await it.client("calm"), await it.client("d")
        began = time.monotonic()
        for number in range(1, 201):
            client.publish(READINGS, b"{}", number)
        await until(lambda: it.broker.health().paused_sockets == 1)
        client.publish(READINGS, b"{}", 201)  # has to wait until the others are paid for
        assert await slowest_ping(calm, 0.5) < 0.25
        assert [int.from_bytes((await client.packet())[2:], "big") for _ in range(201)] == list(range(1, 202))
        assert 0.6 < time.monotonic() - began < 3
        assert it.broker.throttled >= 1
        await until(lambda: it.broker.health().paused_sockets == 0)
        await client.close()
        await calm.close()


async def test_other_packets_count_for_the_rate_too(pki: Pki) -> None:
    async with running_broker(pki, Limits(rate=100, burst=10)) as it:
        client = await it.client("d")
        began = time.monotonic()
        client.write(PINGREQ * 60)
        await asyncio.sleep(0.05)
        client.write(PINGREQ)
        for _ in range(61):
            await client.packet()
        assert time.monotonic() - began > 0.4
        await client.close()


async def test_a_client_that_reads_no_answers_is_not_read_until_it_does(pki: Pki) -> None:
    limits = Limits(rate=1e9, burst=1e9, unread_bytes=100_000)
    async with running_broker(pki, limits) as it:
        client, calm = await it.client("d"), await it.client("calm")
        client.writer.transport.pause_reading()
        before = psutil.Process().memory_info().rss
        sending = asyncio.create_task(_flood(client, PINGREQ * 5000, 2000))
        await until(lambda: it.broker.health().paused_sockets == 1, 20)
        await calm.alive()
        assert psutil.Process().memory_info().rss - before < 40 << 20
        sending.cancel()
        client.writer.transport.resume_reading()
        reading = asyncio.create_task(_read_all(client))
        await until(lambda: it.broker.health().paused_sockets == 0, 20)
        client.vanish()
        await reading
        await calm.close()


async def _read_all(client: RawClient) -> None:
    while await client.reader.read(1 << 20):
        pass


async def _flood(client: RawClient, data: bytes, times: int) -> None:
    for _ in range(times):
        client.write(data)
        await client.writer.drain()


async def test_connections_over_the_bound_are_closed_at_once_and_told(pki: Pki) -> None:
    async with running_broker(pki, Limits(connections=2)) as it:
        first, second = await it.client("a"), await it.client("b")
        it.device("c")
        with pytest.raises(OSError):
            await RawClient.open(it.port, pki.client("c"))
        assert it.broker.arrivals.turned_away == 1
        assert it.listener.refused[-1][1:3] == ("protocol", "more than 2 connections")
        await first.leave()
        third = await it.client("c")
        await second.alive()
        for client in (second, third):
            await client.close()


async def test_who_connects_and_says_nothing_takes_nobodys_turn(pki: Pki) -> None:
    async with running_broker(pki, Limits(handshakes=2)) as it, AsyncExitStack() as stack:
        for _ in range(20):
            await _silent(it, stack)
        began = time.monotonic()
        client = await it.client("d")
        assert time.monotonic() - began < 1
        await client.close()


async def test_one_address_cannot_hold_up_the_handshakes_of_another(pki: Pki) -> None:
    async with running_broker(pki, Limits(handshakes=4)) as it, AsyncExitStack() as stack:
        for _ in range(20):
            _, writer = await _silent(it, stack, "127.0.0.9")
            writer.write(b"\x16")  # begins a ClientHello and never ends it
        await asyncio.sleep(0.1)
        began = time.monotonic()
        client = await it.client("d")
        assert time.monotonic() - began < 1
        await client.close()


async def _silent(
    it: TestBroker, stack: AsyncExitStack, address: str = "127.0.0.1"
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", it.port, local_addr=(address, 0))
    stack.callback(writer.close)
    return reader, writer


async def test_a_connection_that_says_nothing_is_closed_in_time(pki: Pki) -> None:
    async with running_broker(pki, Limits(connect_seconds=0.3)) as it, AsyncExitStack() as stack:
        readers = [(await _silent(it, stack))[0] for _ in range(3)]
        for reader in readers:
            assert await asyncio.wait_for(reader.read(), 3) == b""
        await until(lambda: len(it.listener.refused) == 3)


async def test_levels_of_topics_and_filters_are_bounded(pki: Pki) -> None:
    async with running_broker(pki) as it:
        client = await it.client("d")
        deep = "/".join(["iot/v1/d/shadow", *"abcdefghij"])
        await client.published(deep, b"x", 1)
        assert it.listener.refused[0][1:] == ("acl", "no such topic: see the wire contract", deep)
        client.write(subscribe(1, "/".join(["iot/v1/d", *"abcdefghi"]), "/".join(["iot/v1/d", *"abcdefghij"])))
        assert await client.packet() == b"\x90\x04\x00\x01\x01\x80"
        await client.close()


async def test_filters_of_a_session_are_bounded_and_one_that_is_there_can_be_renewed(pki: Pki) -> None:
    async with running_broker(pki, Limits(subscriptions=2)) as it:
        client = await it.client("d")
        client.write(subscribe(1, *(f"iot/v1/d/{n}" for n in (1, 2, 3)), "iot/v1/d/2"))
        assert await client.packet() == b"\x90\x06\x00\x01\x01\x01\x80\x01"
        await client.close()


async def test_a_flood_of_refused_filters_ends_the_connection(pki: Pki) -> None:
    async with running_broker(pki, Limits(refusals=5)) as it:
        client = await it.client("d")
        client.write(subscribe(1, *(f"iot/v1/e/{n}" for n in range(10))))
        await until(lambda: it.listener.presence[-1].reason == "protocol")
        await client.close()


async def test_a_subscriber_of_ten_thousand_filters_slows_nobody_down(pki: Pki) -> None:
    async with running_broker(pki, Limits(service_subscriptions=10_000)) as it:
        it.service("watcher")
        client, watcher = await it.client("d"), await it.client("watcher")
        quiet = await _seconds_of_publishing(client)
        for block in range(20):
            filters = [f"iot/v1/+/telemetry/{n}/#" for n in range(block * 500, block * 500 + 500)]
            await watcher.subscribed(*filters, qos=0, packet_id=block + 1)
        watcher.write(subscribe(99, READINGS))
        assert (await watcher.packet())[4] == 0x80
        assert await _seconds_of_publishing(client) < 3 * quiet + 0.05  # a scan of all would take a hundred times as long
        await client.close()
        await watcher.close()


async def _seconds_of_publishing(client: RawClient, count: int = 300) -> float:
    began = time.process_time()
    for number in range(1, count + 1):
        client.publish(READINGS, b"{}", number)
    for _ in range(count):
        assert (await client.packet())[:2] == b"\x40\x02"
    return time.process_time() - began


async def test_a_subscriber_that_never_reads_costs_bounded_memory_and_nobody_else_anything(pki: Pki) -> None:
    async with running_broker(pki) as it:
        for name in ("deaf", "watcher"):
            it.service(name)
        deaf, watcher = await it.client("deaf"), await it.client("watcher")
        await deaf.subscribed("#", qos=0)
        deaf.writer.transport.pause_reading()
        await watcher.subscribed("#", qos=0)
        client = await it.client("d")
        before = psutil.Process().memory_info().rss
        for number in range(1, 301):  # 30 MB
            client.publish(READINGS, b"x" * 100_000, number)
            assert len((await watcher.message()).payload) == 100_000
            await client.packet()
            it.ingest.committed.clear()
        assert psutil.Process().memory_info().rss - before < 20 << 20
        assert it.broker.sessions.kept.dropped > 200
        for each in (deaf, watcher, client):
            await each.close()


async def test_an_endless_flood_of_qos_0_pauses_its_sender_and_nobody_else(pki: Pki) -> None:
    async with running_broker(pki) as it:
        flood, calm = await it.client("d"), await it.client("calm")
        it.ingest.gates[Lane.TELEMETRY].clear()
        sending = asyncio.create_task(_flood(flood, encode_publish(READINGS, b"x" * 1000, 0) * 50, 100))
        await until(lambda: it.broker.health().paused_sockets == 1)
        assert await slowest_ping(calm, 0.5) < 0.25
        assert it.broker.health().pending_bytes < 1 << 20
        it.ingest.gates[Lane.TELEMETRY].set()
        await sending
        await until(lambda: len(it.ingest.committed) == 5000, 20)
        await flood.close()
        await calm.close()


async def test_a_device_that_opens_and_closes_all_day_leaves_nothing(pki: Pki) -> None:
    async with running_broker(pki) as it:
        calm = await it.client("calm")
        context = pki.client("d")
        it.device("d")
        for number in range(20):
            await (await RawClient.session(it.port, context, "d", clean=number % 2 == 0)).close()
        await it.gone(20)
        process = psutil.Process()
        descriptors, tasks, memory = process.num_fds(), len(asyncio.all_tasks()), process.memory_info().rss
        for number in range(300):
            client = await RawClient.session(it.port, context, "d")
            client.vanish() if number % 3 else await client.close()
        await until(lambda: len(it.broker._connections) == 1)
        await until(lambda: (process.num_fds(), len(asyncio.all_tasks())) <= (descriptors, tasks))
        assert process.memory_info().rss - memory < 10 << 20
        pairs = [(p.session, p.connected) for p in it.listener.presence if p.device.id == "d"]
        assert sorted(pairs) == sorted((session, up) for session in {s for s, _ in pairs} for up in (True, False))
        await calm.alive()
        await calm.close()


@pytest.mark.parametrize("after", ["nothing", "half a hello", "TLS", "half a CONNECT", "CONNECT"])
async def test_a_peer_that_resets_leaves_no_connection_behind(pki: Pki, after: str) -> None:
    async with running_broker(pki, Limits(connect_seconds=1)) as it:
        it.device("d")
        for _ in range(10):
            if after in ("nothing", "half a hello"):
                _, writer = await asyncio.open_connection("127.0.0.1", it.port)
                if after == "half a hello":
                    writer.write(b"\x16\x03\x01\x02")
            else:
                writer = (await RawClient.open(it.port, pki.client("d"))).writer
                writer.write({"TLS": b"", "half a CONNECT": connect("d")[:9], "CONNECT": connect("d")}[after])
            await asyncio.sleep(0.005)
            writer.transport.abort()
        await until(lambda: not it.broker._connections and it.broker.arrivals.arriving == 0)
        assert it.broker.connected() == {}


async def test_messages_for_a_slow_acknowledger_are_not_dropped_by_time(pki: Pki) -> None:
    async with running_broker(pki, Limits(window=10, queue=1000)) as it:
        it.service("watcher")
        watcher = await it.client("watcher", clean=False)
        await watcher.subscribed("#", qos=1)
        client = await it.client("d")
        for number in range(1, 101):
            await client.published(READINGS, b"%d" % number, number)
        assert [(await watcher.message()).payload for _ in range(10)] == [b"%d" % n for n in range(1, 11)]
        await watcher.nothing()
        watcher.vanish()
        await asyncio.sleep(0.05)
        for number in range(101, 121):
            await client.published(READINGS, b"%d" % number, number)
        watcher = await it.client("watcher", clean=False, present=True)
        found = [await watcher.received() for _ in range(120)]
        assert [(m.payload, m.dup, m.retain) for m in found] == [(b"%d" % n, n <= 10, False) for n in range(1, 121)]
        await client.close()
        await watcher.close()


async def test_subscriptions_that_come_and_go_take_no_message_from_others(pki: Pki) -> None:
    async with running_broker(pki) as it:
        it.service("watcher")
        it.service("restless")
        watcher, restless, client = await it.client("watcher"), await it.client("restless"), await it.client("d")
        await watcher.subscribed("#", qos=1)
        churning = asyncio.create_task(_churn(restless))
        receiving = asyncio.create_task(_payloads(watcher, 500))
        for number in range(1, 501):
            await client.published(READINGS, b"%d" % number, number)
        assert await receiving == [b"%d" % number for number in range(1, 501)]
        churning.cancel()
        for each in (watcher, restless, client):
            await each.close()


async def _churn(client: RawClient) -> None:
    for number in range(1, 10_000):
        topic_filter = f"iot/v1/+/{number % 7}/#"
        client.write(subscribe(number, topic_filter))
        client.write(packet(0xA2, number.to_bytes(2, "big") + field(topic_filter)))
        await client.packet()
        await client.packet()


async def _payloads(client: RawClient, count: int) -> list[bytes]:
    return [(await client.received()).payload for _ in range(count)]


async def test_a_refused_message_is_acknowledged_after_it_was_told_also_when_it_is_sent_again(pki: Pki) -> None:
    async with running_broker(pki) as it:
        told: list[int] = []
        client = await it.client("d", clean=False)
        for attempt in range(3):
            client.publish(topics.telemetry("other"), b"{}", 7, dup=attempt > 0)
            assert await client.packet() == b"\x40\x02\x00\x07"
            told.append(len(it.listener.refused))
            client.vanish()
            client = await it.client("d", clean=False, present=True)
        assert told == [1, 2, 3]
        assert it.ingest.committed == []
        await client.close()


async def test_the_acknowledgement_of_a_refusal_waits_for_its_turn(pki: Pki) -> None:
    async with running_broker(pki) as it:
        client = await it.client("d")
        it.ingest.gates[Lane.TELEMETRY].clear()
        client.publish(READINGS, b"{}", 1)
        client.publish(READINGS, b"x" * (128 * 1024 + 1), 2)
        client.publish("nonsense", b"{}", 3, qos=2)
        await until(lambda: len(it.listener.refused) == 2)
        await client.nothing()
        it.ingest.gates[Lane.TELEMETRY].set()
        assert [await client.packet() for _ in range(3)] == [b"\x40\x02\x00\x01", b"\x40\x02\x00\x02", b"\x50\x02\x00\x03"]
        assert [category for _, category, _, _ in it.listener.refused] == ["validation", "acl"]
        await client.close()


async def test_a_command_reaches_a_device_whose_readings_wait_for_the_store(pki: Pki) -> None:
    async with running_broker(pki) as it:
        client = await it.client("d")
        await client.subscribed(topics.command_request_filter("d"))
        it.ingest.gates[Lane.TELEMETRY].clear()
        for number in range(1, 200):
            client.publish(READINGS, b"{}", number)
        await until(lambda: it.broker.health().paused_sockets == 1)
        result = await it.broker.send("d", topics.command_request("d", "c"), b"now")
        assert result.sent is Sent.QUEUED
        assert (await client.message()).payload == b"now"
        client.vanish()
