"""Whatever a client sends that is no MQTT: its connection ends, nobody else notices, and nothing stays behind."""

import asyncio
import gc

import psutil
import pytest

from broker.embedded.limits import Limits
from broker.embedded.protocol import Level
from tests.support import malformed
from tests.support.brokers import TestBroker, running_broker
from tests.support.mqtt_raw import RawClient, connect, field, packet
from tests.support.pki import Pki
from tests.support.waiting import until

pytestmark = pytest.mark.integration
BEFORE, AFTER = malformed.before_connect("d"), malformed.after_connect("d")
GROWTH_BYTES = 20 << 20


def test_the_table_is_long() -> None:
    assert len(BEFORE) + len(AFTER) >= 300


@pytest.mark.parametrize("cases", [BEFORE, AFTER], ids=["before CONNECT", "after CONNECT"])
async def test_a_malformed_stream_ends_its_connection_and_no_other(pki: Pki, cases: dict[str, bytes]) -> None:
    async with running_broker(pki, Limits(refusals=10**6)) as it:
        it.device("d")
        calm = await it.client("calm")
        await _one(it, cases is AFTER, b"\x00")
        process = psutil.Process()
        descriptors, tasks, memory = process.num_fds(), len(asyncio.all_tasks()), process.memory_info().rss
        survived = []
        for what, data in cases.items():
            refused = len(it.listener.refused)
            if not await _one(it, cases is AFTER, data) or len(it.listener.refused) != refused + 1:
                survived.append(what)
            await calm.alive()
        assert survived == []
        assert {category for _, category, _, _ in it.listener.refused} == {"protocol"}
        assert list(it.broker.connected()) == ["calm"]
        await until(lambda: len(it.broker._connections) == 1)
        await until(lambda: (process.num_fds(), len(asyncio.all_tasks())) <= (descriptors, tasks))
        gc.collect()
        assert process.memory_info().rss - memory < GROWTH_BYTES
        await calm.close()


async def _one(it: TestBroker, is_live: bool, data: bytes) -> bool:
    """Whether the server ends the connection without an answer."""
    client = await (it.client("d") if is_live else RawClient.open(it.port, it.pki.client("d")))
    client.write(data)
    try:
        return await client.packet(2.0) == b""
    except TimeoutError:
        return False
    finally:
        await client.close()


@pytest.mark.parametrize(("name", "level"), [(b"MQTT", 5), (b"MQTT", 3), (b"MQTT", 0x84), (b"MQIsdp", 3)])
async def test_a_level_that_is_not_spoken_gets_the_standards_answer(pki: Pki, name: bytes, level: int) -> None:
    async with running_broker(pki) as it:
        it.device("d")
        client = await RawClient.open(it.port, pki.client("d"))
        client.write(packet(0x10, field(name) + bytes((level,)) + connect("d")[9:]))
        assert await client.packet() == b"\x20\x02\x00\x01"
        await client.ended()
        assert it.listener.refused[0][1:3] == ("protocol", f"protocol level {level}: MQTT 3.1.1 (level {Level.V3_1_1}) is spoken")


@pytest.mark.parametrize(
    "sent", [b"", b"\x10", connect("d")[:-1], b"\x10\xff\x7f" + b"x" * 100], ids=["0", "1", "all but 1", "part"]
)
async def test_a_connect_that_never_ends(pki: Pki, sent: bytes) -> None:
    async with running_broker(pki, Limits(connect_seconds=0.3, sweep_seconds=0.05)) as it:
        it.device("d")
        client = await RawClient.open(it.port, pki.client("d"))
        trickling = asyncio.create_task(_trickle(client, sent))
        await client.ended(4)
        assert it.listener.refused[0][2] == "no CONNECT within 0.3 s"
        trickling.cancel()
        await client.close()


async def _trickle(client: RawClient, data: bytes, pause: float = 0.1) -> None:
    for place in range(len(data)):
        client.write(data[place : place + 1])
        await asyncio.sleep(pause)


async def test_a_client_that_trickles_a_packet_that_never_ends_is_silent(pki: Pki) -> None:
    async with running_broker(pki, Limits(sweep_seconds=0.1)) as it:
        client = await it.client("d", keep_alive=1)
        trickling = asyncio.create_task(_trickle(client, packet(0x30, field("iot/v1/d/telemetry") + bytes(100))))
        await client.ended(4)
        assert it.listener.presence[-1].reason == "keep_alive"
        trickling.cancel()
        await client.close()


async def test_what_precedes_a_malformed_packet_in_the_same_read_is_committed(pki: Pki) -> None:
    async with running_broker(pki) as it:
        client = await it.client("d")
        client.write(packet(0x32, field("iot/v1/d/telemetry") + b"\x00\x01{}") + packet(0x30, b"\x00\x09ab"))
        await until(lambda: it.listener.presence[-1].reason == "protocol")
        await until(lambda: len(it.ingest.committed) == 1)
        await client.close()
