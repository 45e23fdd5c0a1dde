"""What one connection may take of one turn of the loop."""

import asyncio
from collections import Counter

import pytest

from broker.embedded.codec import PINGRESP, encode_publish
from broker.embedded.limits import Limits
from broker.embedded.outgoing import Outgoing
from broker.embedded.session import Session
from iotsphere import topics
from tests.support.brokers import running_broker
from tests.support.mqtt_raw import PINGREQ, field, packet, subscribe
from tests.support.pki import Pki
from tests.support.waiting import until

pytestmark = pytest.mark.integration
READINGS = topics.telemetry("d")


@pytest.mark.parametrize("first", [0x82, 0xA2], ids=["SUBSCRIBE", "UNSUBSCRIBE"])
async def test_more_filters_in_one_packet_than_a_turn_may_take_end_the_connection(pki: Pki, first: int) -> None:
    async with running_broker(pki, Limits(packet_filters=3)) as it:
        client = await it.client("d")
        qos = b"\x00" if first == 0x82 else b""
        some = [field(f"iot/v1/d/{n}") + qos for n in range(4)]
        client.write(packet(first, b"\x00\x01" + b"".join(some[:3])))
        assert (await client.packet())[0] == first & 0xF0 | 0x10
        client.write(packet(first, b"\x00\x01" + b"".join(some)))
        await client.ended()
        assert it.listener.refused[0][1] == "protocol"
        assert "more than 3 filters" in it.listener.refused[0][2]
        await client.close()


async def test_many_retained_messages_come_in_turns_with_the_others_and_all_of_them(
    pki: Pki, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_broker(pki, Limits(turn=8, sender_retained=400)) as it:
        device, per_turn, turn = await it.client("d"), Counter[int](), 0
        expected = {topics.command_response("d", str(n)) for n in range(400)}
        device.write(b"".join(encode_publish(topic, b"x", 0, retain=True) for topic in expected))
        await until(lambda: len(it.broker.fan_out.retained) == 400)
        it.service("watcher")
        watcher, offer = await it.client("watcher"), it.broker.sessions.kept.offer

        def count() -> None:
            nonlocal turn
            turn += 1
            asyncio.get_running_loop().call_soon(count)

        def offered(session: Session, outgoing: Outgoing) -> None:
            per_turn[turn] += 1
            offer(session, outgoing)

        asyncio.get_running_loop().call_soon(count)
        monkeypatch.setattr(it.broker.sessions.kept, "offer", offered)
        watcher.write(subscribe(1, "nothing/here", "#") + PINGREQ)
        assert (await watcher.packet())[0] == 0x90
        assert {(await watcher.message()).topic for _ in expected} == expected
        assert await watcher.packet() == PINGRESP
        assert max(per_turn.values()) <= 8
        assert it.broker.health().paused_sockets == 0
        await device.close()
        await watcher.close()


async def test_one_read_of_many_packets_takes_turns_with_the_others_and_loses_nothing(pki: Pki) -> None:
    async with running_broker(pki, Limits(turn=8, turn_filters=8)) as it:
        client, turns = await it.client("d"), 0

        def count() -> None:
            nonlocal turns
            turns += 1
            asyncio.get_running_loop().call_soon(count)

        asyncio.get_running_loop().call_soon(count)
        commands = topics.command_request_filter("d")
        client.write(b"".join(encode_publish(READINGS, b"{}", 1, n) + PINGREQ for n in range(1, 401)) + subscribe(7, commands))
        found = [await client.packet() for _ in range(801)]
        assert turns > 801 / 8
        turns = 0
        client.write(subscribe(8, *(f"iot/v1/d/{n}" for n in range(99))) + PINGREQ)
        assert await client.packet() == packet(0x90, b"\x00\x08" + b"\x01" * 99)
        assert turns > 99 / 8
        assert await client.packet() == PINGRESP
        assert [int.from_bytes(p[2:4], "big") for p in found if p[0] == 0x40] == list(range(1, 401))
        assert found.count(PINGRESP) == 400
        assert it.broker.health().paused_sockets == 0
        await client.close()
