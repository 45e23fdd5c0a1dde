"""Presence rows in a real database."""

import asyncio
import time

import pytest

from broker.api import Presence
from broker.metrics import WriterMetrics
from broker.presence import PresenceWriter
from iotsphere.bus import MemoryBus
from iotsphere.events import DEVICE_STATUS, DeviceStatus, Event
from iotsphere.infra.postgres import Pool, make_pool
from iotsphere.registry import DeviceRecord
from tests.support.registry_rows import add_device, add_fleet
from tests.support.servers import PostgresServer
from tests.support.waiting import until

pytestmark = pytest.mark.integration
NODE = "here"


class Heard:
    """A bus and what was told on it."""

    def __init__(self) -> None:
        self.bus = MemoryBus()
        self.told: list[tuple[str, int, bool, str]] = []
        self.bus.subscribe(DEVICE_STATUS, self._hear)

    async def _hear(self, event: Event) -> None:
        assert isinstance(event, DeviceStatus)
        self.told.append((event.device, event.session, event.connected, event.reason))


def word(device: str, session: int, connected: bool, reason: str = "connected") -> Presence:
    record = DeviceRecord(device, "default", "water_heater", "device", "registered")
    return Presence(record, session, connected, reason, int(time.time() * 1000))  # type: ignore[arg-type]


async def presence_rows(pool: Pool) -> list[tuple[object, ...]]:
    rows = await pool.fetch("select device_id, session, connected, reason from registry.presence order by device_id")
    return [tuple(row) for row in rows]


async def session_rows(pool: Pool) -> list[tuple[object, ...]]:
    rows = await pool.fetch("select device_id, session, disconnected_at is not null, reason from registry.sessions order by 1, 2")
    return [tuple(row) for row in rows]


async def test_a_session_is_written_told_and_makes_the_device_active(pool: Pool) -> None:
    heard = Heard()
    await add_device(pool, "d")
    writer = PresenceWriter(pool, heard.bus, NODE, dict)
    await writer.start()
    writer.on_presence(word("d", 7, True))
    await until(lambda: heard.told)
    assert await presence_rows(pool) == [("d", 7, True, "connected")]
    row = await pool.fetchrow("select status, last_connected, changed_at < now() - interval '0 s' as old from registry.devices")
    assert row is not None
    assert row["status"] == "active"
    assert abs(row["last_connected"].timestamp() - time.time()) < 5
    writer.on_presence(word("d", 7, False, "clean"))
    await writer.stop()
    assert await presence_rows(pool) == [("d", 7, False, "clean")]
    assert await session_rows(pool) == [("d", 7, True, "clean")]
    assert heard.told == [("d", 7, True, "connected"), ("d", 7, False, "clean")]


async def test_a_takeover_leaves_two_sessions_and_the_newer_state(pool: Pool) -> None:
    heard = Heard()
    await add_device(pool, "d", status="active")
    writer = PresenceWriter(pool, heard.bus, NODE, dict)
    await writer.start()
    for presence in (word("d", 1, True), word("d", 1, False, "taken_over"), word("d", 2, True)):
        writer.on_presence(presence)
    await writer.stop()
    assert await presence_rows(pool) == [("d", 2, True, "connected")]
    assert await session_rows(pool) == [("d", 1, True, "taken_over"), ("d", 2, False, None)]
    assert [session for _, session, _, _ in heard.told] == [1, 1, 2]


async def test_a_disabled_device_stays_disabled_and_an_unknown_one_is_passed_over(pool: Pool) -> None:
    await add_device(pool, "off", status="disabled")
    writer = PresenceWriter(pool, MemoryBus(), NODE, dict)
    await writer.start()
    for device in ("off", "nobody"):
        writer.on_presence(word(device, 1, True))
    await writer.stop()
    assert await presence_rows(pool) == [("off", 1, True, "connected")]
    assert await pool.fetchval("select status from registry.devices") == "disabled"


async def test_an_older_session_never_replaces_a_newer_one(pool: Pool) -> None:
    await add_device(pool, "d")
    writer = PresenceWriter(pool, MemoryBus(), NODE, dict)
    await writer.start()
    writer.on_presence(word("d", 5, True))
    await writer._flush()
    writer.on_presence(word("d", 4, False, "network"))
    await writer.stop()
    assert await presence_rows(pool) == [("d", 5, True, "connected")]


async def test_what_a_killed_process_left_open_is_closed_at_the_start_on_this_node_only(pool: Pool) -> None:
    for device in ("a", "b", "c"):
        await add_device(pool, device)
    for node, devices in ((NODE, "ab"), ("there", "c")):
        killed = PresenceWriter(pool, MemoryBus(), node, dict)
        await killed.start()
        for device in devices:
            killed.on_presence(word(device, 3, True))
        await killed.stop()
    heard = Heard()
    writer = PresenceWriter(pool, heard.bus, NODE, dict)
    await writer.start()
    await writer.stop()
    assert await presence_rows(pool) == [("a", 3, False, "network"), ("b", 3, False, "network"), ("c", 3, True, "connected")]
    assert await session_rows(pool) == [("a", 3, True, "network"), ("b", 3, True, "network"), ("c", 3, False, None)]
    assert sorted(heard.told) == [("a", 3, False, "network"), ("b", 3, False, "network")]


async def test_the_comparison_with_the_broker_puts_right_both_ways(pool: Pool) -> None:
    for device in ("dead", "live", "missed"):
        await add_device(pool, device)
    heard, live = Heard(), {"dead": 1, "live": 2}
    writer = PresenceWriter(pool, heard.bus, NODE, lambda: live, reconcile_seconds=0.3)
    await writer.start()
    writer.on_presence(word("dead", 1, True))
    writer.on_presence(word("live", 2, True))
    await until(lambda: len(heard.told) == 2)
    del live["dead"]
    live["missed"] = 3
    await until(lambda: len(heard.told) == 3)
    await asyncio.sleep(0.1)
    await writer.stop()
    assert await presence_rows(pool) == [
        ("dead", 1, False, "network"),
        ("live", 2, True, "connected"),
        ("missed", 3, True, "connected"),
    ]
    assert await session_rows(pool) == [("dead", 1, True, "network"), ("live", 2, False, None), ("missed", 3, False, None)]


async def test_a_reconnect_storm_is_a_few_statements(pool: Pool) -> None:
    await add_fleet(pool, "d", 3000)
    writer = PresenceWriter(pool, MemoryBus(), NODE, dict)
    await writer.start()
    for number in range(1, 3001):
        writer.on_presence(word(f"d{number}", number, True))
    began = time.monotonic()
    await writer.stop()
    assert time.monotonic() - began < 5
    assert await pool.fetchval("select count(*) from registry.presence where connected") == 3000
    assert await pool.fetchval("select count(*) from registry.devices where status = 'active'") == 3000


async def test_presence_waits_for_postgres_bounded_and_whole(
    own_postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("broker.presence.SESSIONS_KEPT", 50)
    pool = await make_pool(own_postgres.engine.admin_dsn, name="test", high=2)
    for device in ("flaps", "stays"):
        await add_device(pool, device)
    heard, metrics = Heard(), WriterMetrics()
    writer = PresenceWriter(pool, heard.bus, NODE, dict, metrics)
    await writer.start()
    writer.on_presence(word("flaps", 1, True))
    await until(lambda: heard.told)
    await asyncio.to_thread(own_postgres.kill)
    writer.on_presence(word("flaps", 1, False, "network"))
    await asyncio.sleep(0.2)
    for session in range(2, 300):
        writer.on_presence(word("flaps", session, True))
        if session < 299:
            writer.on_presence(word("flaps", session, False, "network"))
    writer.on_presence(word("stays", 300, True))
    await asyncio.sleep(0.3)
    assert len(writer._queue) <= 53
    await asyncio.to_thread(own_postgres.restart_after_kill)
    await until(lambda: heard.told[-1][0] == "stays", 15)
    await writer.stop()
    assert await presence_rows(pool) == [("flaps", 299, True, "connected"), ("stays", 300, True, "connected")]
    rows = await session_rows(pool)
    assert [(session, ended) for device, session, ended, _ in rows if device == "flaps"] == [
        (1, True), *[(n, True) for n in range(249, 299)], (299, False),
    ]  # fmt: skip
    assert metrics.sessions_dropped._value.get() == 247
    await pool.close()
