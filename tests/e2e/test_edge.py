"""The whole of `edge`: devices on one side, PostgreSQL and Valkey on the other."""

import asyncio
import itertools
import json
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import asyncpg
import pytest

from commands.service import CommandService
from iotsphere import topics
from iotsphere.bus import MemoryBus
from iotsphere.devices import device_types
from iotsphere.errors import PortTaken
from iotsphere.events import DEVICE_STATUS, DEVICE_TELEMETRY, DeviceStatus, Event
from iotsphere.infra.postgres import make_pool
from iotsphere.infra.valkey_bus import ValkeyBus
from iotsphere.infra.valkey_signals import ValkeySignals
from iotsphere.signals import EDGE_REGISTRY
from shadow.cache import ShadowCache, connect
from shadow.service import ShadowService, Target
from tests.support.edge import RunningEdge, register, running_edge
from tests.support.mqtt_raw import RawClient, packet, subscribe
from tests.support.mqtt_raw import connect as connect_packet
from tests.support.pki import Pki
from tests.support.servers import PostgresServer, ValkeyServer
from tests.support.waiting import until

pytestmark = [pytest.mark.e2e, pytest.mark.loops("uvloop")]  # what the platform's processes run on
PUBACK_1 = b"\x40\x02\x00\x01"
CONNACK_NOT_AUTHORIZED = b"\x20\x02\x00\x05"


@pytest.fixture
async def edge(pki: Pki, migrated_dsn: str, valkey_url: str) -> AsyncIterator[RunningEdge]:
    async with running_edge(pki, migrated_dsn, valkey_url) as running:
        yield running


@pytest.fixture
async def database(migrated_dsn: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    connection = await asyncpg.connect(migrated_dsn)
    yield connection
    await connection.close()


_moments = itertools.count(time.time_ns() // 1_000_000)


def readings(*values: float) -> bytes:
    """A telemetry payload, each reading with a timestamp of its own."""
    return json.dumps([{"ts": next(_moments), "values": {"temperature": value}} for value in values]).encode()


def published(data: bytes) -> tuple[str, int, bytes]:
    """Topic, packet id and payload of a PUBLISH with QoS 1."""
    start = 2 if data[1] < 0x80 else 3
    length = int.from_bytes(data[start : start + 2], "big")
    end = start + 2 + length
    return data[start + 2 : end].decode(), int.from_bytes(data[end : end + 2], "big"), data[end + 2 :]


async def wake(valkey_url: str, device: str) -> None:
    signals = ValkeySignals(valkey_url)
    await signals.send(EDGE_REGISTRY, device)
    await signals.stop()


async def rows(connection: "asyncpg.Connection[asyncpg.Record]") -> list[tuple[str, float]]:
    found = await connection.fetch("select device_id, value from telemetry.telemetry order by device_id, timestamp")
    return [tuple(row) for row in found]


async def test_a_puback_means_that_the_reading_is_in_the_table(
    edge: RunningEdge, database: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    await edge.device("d")
    client = await edge.session("d")
    client.publish(topics.telemetry("d"), readings(41.5, 42.0), 1)
    assert await client.packet() == PUBACK_1
    assert await rows(database) == [("d", 41.5), ("d", 42.0)]
    await client.close()


async def test_readings_and_presence_are_told_on_the_bus_and_a_new_device_becomes_active(
    edge: RunningEdge, valkey_url: str, database: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    heard: list[Event] = []

    async def hear(event: Event) -> None:
        heard.append(event)

    bus = ValkeyBus(valkey_url, name="test")
    bus.subscribe(DEVICE_STATUS, hear)
    bus.subscribe(DEVICE_TELEMETRY, hear)
    await bus.start()
    await edge.device("d")
    client = await edge.session("d")
    client.publish(topics.telemetry("d"), readings(41.5), 1)
    await until(lambda: {type(event).__name__ for event in heard} == {"DeviceStatus", "TelemetryEnvelope"})
    assert await database.fetchval("select status from registry.devices") == "active"
    client.write(b"\xe0\x00")
    await until(lambda: [e.reason for e in heard if isinstance(e, DeviceStatus)] == ["connected", "clean"])
    await bus.stop()


async def test_a_command_goes_to_the_device_and_its_answer_comes_back(edge: RunningEdge, valkey_url: str) -> None:
    await edge.device("d")
    client = await edge.session("d")
    client.write(subscribe(1, topics.command_request_filter("d")))
    await client.packet()
    async with cloud_commands(edge.dsn, valkey_url) as service:
        began = time.monotonic()
        view = await service.create("d", "water_heater", "default", "run_self_test", {}, actor="test")
        topic, packet_id, payload = published(await client.packet())
        assert topic == topics.command_request("d", view.id)
        assert json.loads(payload)["name"] == "run_self_test"
        client.write(b"\x40\x02" + packet_id.to_bytes(2, "big"))
        client.publish(topics.command_response("d", view.id), b'{"status":"succeeded","result":{"done":true}}', 9)
        assert await client.packet() == b"\x40\x02\x00\x09"
        done = await service.wait(view.id, 5)
        assert (done.status, done.result) == ("succeeded", {"done": True})
        print(f"command round trip {(time.monotonic() - began) * 1000:.1f} ms")
        assert time.monotonic() - began < 2
    await client.close()


@asynccontextmanager
async def cloud_commands(dsn: str, valkey_url: str) -> AsyncIterator[CommandService]:
    """What `cloud` runs of commands."""
    pool, signals = await make_pool(dsn, name="test cloud"), ValkeySignals(valkey_url)
    service = CommandService(pool, signals, MemoryBus(), device_types())
    await signals.start()
    try:
        yield service
    finally:
        await signals.stop()
        await pool.close()


async def test_a_shadow_is_reported_and_a_desired_change_reaches_the_device(edge: RunningEdge, valkey_url: str) -> None:
    await edge.device("d")
    client = await edge.session("d")
    client.write(subscribe(1, "iot/v1/d/shadow/#"))
    await client.packet()
    client.publish(topics.shadow("d", "update"), b'{"state":{"reported":{"target_temperature":50.0}}}', 1)
    accepted = topics.shadow_reply("d", "update", "accepted")
    await packets_until(client, lambda seen: PUBACK_1 in seen and accepted in topics_of(seen))
    pool, signals, redis = await make_pool(edge.dsn, name="test cloud"), ValkeySignals(valkey_url), connect(valkey_url)
    service = ShadowService(pool, ShadowCache(redis, pool), MemoryBus(), signals, device_types())
    desired = {"target_temperature": 61.0}
    await service.update_desired(Target("d", "water_heater", "default", False), desired, actor="test")
    delta = topics.shadow_reply("d", "update", "delta")
    received = await packets_until(client, lambda seen: delta in topics_of(seen))
    [found] = [json.loads(published(p)[2]) for p in received if p[0] & 0xF0 == 0x30 and published(p)[0] == delta]
    assert found["state"] == desired
    await signals.stop()
    await redis.aclose()
    await pool.close()
    await client.close()


async def packets_until(client: RawClient, enough: object) -> list[bytes]:
    """Read, acknowledging what needs it, until the packets read suffice."""
    assert callable(enough)
    seen: list[bytes] = []
    while not enough(seen):
        seen.append(await client.packet())
        if seen[-1][0] & 0xF6 == 0x32:
            client.write(b"\x40\x02" + published(seen[-1])[1].to_bytes(2, "big"))
    return seen


def topics_of(packets: list[bytes]) -> list[str]:
    return [published(p)[0] for p in packets if p[0] & 0xF0 == 0x30]


@pytest.mark.parametrize("nudged", [True, False])
async def test_a_revoked_certificate_ends_its_session_within_a_second_and_is_refused_from_then_on(
    edge: RunningEdge, valkey_url: str, database: "asyncpg.Connection[asyncpg.Record]", nudged: bool
) -> None:
    await edge.device("d")
    client = await edge.session("d")
    await database.execute("update registry.certificates set revoked_at = now()")
    began = time.monotonic()
    if nudged:
        await wake(valkey_url, "d")
    assert await client.packet(2.0) == b""
    took = time.monotonic() - began
    print(f"revoked session ended after {took * 1000:.0f} ms (nudged: {nudged})")
    assert took < 1
    again = await RawClient.open(edge.mqtt_port, edge.pki.client("d"))
    again.write(connect_packet("d"))
    assert await again.packet() == CONNACK_NOT_AUTHORIZED
    await until_async(lambda: database.fetchval("select reason from registry.presence"), "revoked")
    await until_async(lambda: database.fetchval("select count(*) from ops.refusals where known and category = 'tls'"), 1)
    await again.close()


async def test_a_disabled_device_is_kicked(
    edge: RunningEdge, valkey_url: str, database: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    await edge.device("d")
    client = await edge.session("d")
    await database.execute("update registry.devices set status = 'disabled', changed_at = now()")
    await wake(valkey_url, "d")
    assert await client.packet(1.0) == b""


async def until_async(value: Callable[[], Awaitable[object]], wanted: object) -> None:
    """Wait until an async look-up gives the wanted value."""

    async def found() -> bool:
        return await value() == wanted

    await until(found)


async def test_health_and_metrics_tell_of_every_part(edge: RunningEdge) -> None:
    await edge.device("d")
    client = await edge.session("d")
    client.publish(topics.telemetry("d"), readings(1.0), 1)
    await client.packet()
    assert (await edge.get("/health/live"))[0] == 200
    status, body = await edge.get("/health/ready")
    found = json.loads(body)
    assert (status, found["ready"]) == (200, True)
    assert {name: part["ok"] for name, part in found["parts"].items()} == dict.fromkeys(
        ("broker", "postgres", "disk", "registry", "bus", "signals"), True
    )
    status, body = await edge.get("/metrics")
    assert 'iotsphere_broker_lane_messages_total{lane="telemetry"} 1.0' in body
    assert (await edge.get("/nothing"))[0] == 404
    await client.close()


async def test_a_clean_stop_says_so_in_presence(
    pki: Pki, migrated_dsn: str, valkey_url: str, database: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    async with running_edge(pki, migrated_dsn, valkey_url) as edge:
        await edge.device("d")
        client = await edge.session("d")
    assert await client.packet() == b""
    row = await database.fetchrow("select connected, reason from registry.presence")
    assert row is not None
    assert tuple(row) == (False, "shut_down")
    assert await database.fetchval("select count(*) from registry.sessions where disconnected_at is null") == 0


async def test_a_taken_port_is_named_with_its_setting(pki: Pki, migrated_dsn: str, valkey_url: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        for field, setting in (
            ("mqtt_port", "IOTSPHERE_MQTT_PORT"), ("wss_port", "IOTSPHERE_WSS_PORT"), ("http_port", "IOTSPHERE_EDGE_PORT"),
        ):  # fmt: skip
            with pytest.raises(PortTaken, match=setting):
                async with running_edge(pki, migrated_dsn, valkey_url, **{field: taken.getsockname()[1]}):
                    pass


async def test_while_postgres_is_away_nothing_is_acknowledged_and_afterwards_all_is_there(
    pki: Pki, own_postgres: PostgresServer, valkey_url: str
) -> None:
    async with running_edge(pki, own_postgres.engine.admin_dsn, valkey_url) as edge:
        await edge.device("d")
        client = await edge.session("d")
        await asyncio.to_thread(own_postgres.kill)
        for number in range(1, 21):
            client.publish(topics.telemetry("d"), readings(float(number)), number)
        with pytest.raises(TimeoutError):
            await client.packet(1.0)
        assert (await edge.get("/health/ready"))[0] == 503
        assert (await edge.get("/health/live"))[0] == 200
        client.write(packet(0xC0, b""))  # the session is alive all the while
        assert await client.packet() == b"\xd0\x00"
        await asyncio.to_thread(own_postgres.restart_after_kill)
        assert [(await client.packet(15))[3] for _ in range(20)] == list(range(1, 21))
        connection = await asyncpg.connect(own_postgres.engine.admin_dsn)
        assert sorted(value for _, value in await rows(connection)) == [float(n) for n in range(1, 21)]
        await connection.close()
        await client.close()


async def test_edge_starts_before_postgres_and_serves_once_it_is_there(
    pki: Pki, own_postgres: PostgresServer, valkey_url: str
) -> None:
    issued = pki.issue("d")
    await register(own_postgres.engine.admin_dsn, "d", issued)
    await asyncio.to_thread(own_postgres.kill)
    starting = asyncio.create_task(one_reading(pki, own_postgres.engine.admin_dsn, valkey_url))
    await asyncio.sleep(1)
    assert not starting.done()
    await asyncio.to_thread(own_postgres.restart_after_kill)
    assert await starting == PUBACK_1


async def one_reading(pki: Pki, dsn: str, valkey_url: str) -> bytes:
    """Start an edge, publish one reading, return the answer."""
    async with running_edge(pki, dsn, valkey_url) as edge:
        client = await edge.session("d")
        client.publish(topics.telemetry("d"), readings(1.0), 1)
        return await client.packet()


async def test_without_valkey_readings_are_stored_and_acknowledged_as_before(
    pki: Pki, migrated_dsn: str, own_valkey: ValkeyServer, database: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    async with running_edge(pki, migrated_dsn, own_valkey.url) as edge:
        await edge.device("d")
        client = await edge.session("d")
        own_valkey.kill()
        longest = 0.0
        for number in range(1, 31):
            began = time.monotonic()
            client.publish(topics.telemetry("d"), readings(float(number)), number)
            assert (await client.packet())[3] == number
            longest = max(longest, time.monotonic() - began)
            await asyncio.sleep(0.02)
        assert longest < 1
        assert len(await rows(database)) == 30
        await until_parts(edge, bus=False, signals=False)
        own_valkey.start()
        await until_parts(edge, bus=True, signals=True)
        await client.close()


async def until_parts(edge: RunningEdge, **wanted: bool) -> None:
    """Wait until health says so of these parts; ready stays true all the while."""

    async def parts() -> dict[str, bool]:
        status, body = await edge.get("/health/ready")
        assert status == 200
        return {name: json.loads(body)["parts"][name]["ok"] for name in wanted}

    await until_async(parts, wanted)
