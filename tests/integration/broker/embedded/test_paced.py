"""What one connection may take of one turn of the loop."""

import asyncio

import pytest

from broker.embedded.codec import PINGRESP, encode_publish
from broker.embedded.limits import Limits
from iotsphere import topics
from tests.support.brokers import running_broker
from tests.support.mqtt_raw import PINGREQ, field, packet, subscribe
from tests.support.pki import Pki

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
