"""Refusals in a real database."""

import asyncio

import pytest

from broker import refusal_table
from broker.refusal_table import RefusalRow
from broker.refusal_tally import Refusal, Told
from broker.refusals import RefusalWriter
from iotsphere.bus import MemoryBus
from iotsphere.events import DEVICE_UPDATE, Event, MessageRefused
from iotsphere.infra.postgres import Pool
from tests.support.brokers import MemoryRegistry
from tests.support.waiting import until

pytestmark = pytest.mark.integration


async def test_equal_refusals_are_counted_told_and_say_whose_they_are(pool: Pool) -> None:
    registry, bus, told = MemoryRegistry(), MemoryBus(), []
    registry.add("d", organization="demo")

    async def hear(event: Event) -> None:
        assert isinstance(event, MessageRefused)
        told.append((event.device, event.category, event.count))

    bus.subscribe(DEVICE_UPDATE, hear)
    writer = RefusalWriter(pool, registry, bus)
    writer.start()
    for port in range(5):
        writer.on_refused("d", "acl", "the topic belongs to other", "iot/v1/other/telemetry", f"10.0.0.1:{port}")
    writer.on_refused("stranger", "client_id", "no device\0 'stranger'", None, "[::1]:9")
    writer.on_refused(None, "tls", "unknown ca", None, "unknown")
    await until(lambda: len(told) == 3)
    writer.on_refused("d", "acl", "the topic belongs to other", "iot/v1/other/telemetry", "10.0.0.1:9")
    await writer.stop()
    rows = await pool.fetch("select device_id, known, organization_id, category, peer, count from ops.refusals order by id")
    assert [tuple(row) for row in rows] == [
        ("d", True, "demo", "acl", "10.0.0.1", 5),
        ("stranger", False, None, "client_id", "[::1]", 1),
        (None, False, None, "tls", "unknown", 1),
        ("d", True, "demo", "acl", "10.0.0.1", 1),
    ]
    assert told == [("d", "acl", 5), ("stranger", "client_id", 1), ("", "tls", 1)]


async def test_the_last_of_each_device_and_of_the_unknown_are_kept(pool: Pool) -> None:
    def rows(device: str | None, organization: str | None, first: int, last: int) -> list[RefusalRow]:
        return [RefusalRow(Told(Refusal(device, "acl", f"{n}", None, "p"), 1, n), organization) for n in range(first, last)]

    async with pool.acquire() as connection:
        await refusal_table.write(connection, rows("d", "default", 0, 80) + rows("e", "default", 0, 3))
        await refusal_table.write(connection, rows("d", "default", 80, 150) + rows("x", None, 0, 1100))
        await refusal_table.write(connection, rows(None, None, 1100, 1105))
    kept = await pool.fetch(
        "select device_id, count(*), min(reason::int), max(reason::int) from ops.refusals group by 1 order by 1 nulls last"
    )
    assert [tuple(row) for row in kept] == [("d", 100, 50, 149), ("e", 3, 0, 2), ("x", 995, 105, 1099), (None, 5, 1100, 1104)]


async def test_a_flood_of_different_refusals_is_bounded(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("broker.refusals.KINDS", 20)
    writer = RefusalWriter(pool, MemoryRegistry(), MemoryBus())
    writer.start()
    for number in range(1000):
        writer.on_refused(f"x{number}", "client_id", "no", None, "p:1")
    await asyncio.sleep(0)
    await writer.stop()
    assert await pool.fetchval("select count(*) from ops.refusals") == 20
    assert writer._metrics.refusals_dropped._value.get() == 980
