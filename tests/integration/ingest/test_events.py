"""Events and status texts in a real PostgreSQL."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from ingest import dead_letters_table, event_table, events
from ingest.batch import DeadLetter
from ingest.dead_letters_table import Selection
from ingest.disk_guard import DiskGuard, Usage
from ingest.events import EventPipeline
from iotsphere.delivery import Delivery
from iotsphere.infra.postgres import Pool
from iotsphere.topics import Kind
from tests.support.devices import delivery, thermometer
from tests.support.ingest import now_ms

pytestmark = pytest.mark.integration


def event(payload: Any, **details: Any) -> Delivery:
    return delivery(payload, kind=Kind.EVENT, received_at=now_ms(), **details)


async def test_events_are_one_row_each_and_repeated_ones_are_ignored(pool: Pool) -> None:
    buried: list[DeadLetter] = []
    pipeline = EventPipeline(pool, pool, retention_days=lambda: 30, buried=buried.extend)
    ts = now_ms()
    sent = [
        event({"ts": ts, "name": "door", "severity": "warning", "data": {"open": True}}),
        event({"ts": ts, "name": "door", "data": {"other": 1}}),
        event({"ts": ts, "name": "leak", "severity": "critical"}),
        event(b"nonsense"),
        event({"ts": ts, "name": "nul", "data": {"text": "a\0b"}}),
        event({"ts": ts, "name": "door"}, device=thermometer("t-2")),
    ]
    await pipeline.commit(sent)
    await pipeline.commit(sent[:3])
    rows = await pool.fetch("select device_id, name, severity, data::text as data from ops.events order by device_id, name")
    assert [tuple(row) for row in rows] == [
        ("t-1", "door", "warning", '{"open": true}'),
        ("t-1", "leak", "critical", None),
        ("t-2", "door", "info", None),
    ]
    letters = await dead_letters_table.page(pool, Selection(device="t-1"), None, 10)
    assert sorted(letter.category for letter in letters) == ["store", "validation"]
    assert len(buried) == 2


async def test_events_are_refused_beyond_what_is_kept_now(pool: Pool) -> None:
    buried: list[DeadLetter] = []
    kept = [30]
    pipeline = EventPipeline(pool, pool, retention_days=lambda: kept[0], buried=buried.extend)
    old = now_ms() - 20 * 86_400_000
    await pipeline.commit([event({"ts": old, "name": "first"})])
    kept[0] = 10
    await pipeline.commit([event({"ts": old, "name": "second"})])
    assert [letter.category for letter in buried] == ["clock"]
    assert await pool.fetchval("select string_agg(name, ' ') from ops.events") == "first"


async def test_the_newest_status_of_a_device_counts(pool: Pool) -> None:
    pipeline = EventPipeline(pool, pool, retention_days=lambda: 30)

    def status(text: bytes, at: int) -> Delivery:
        return delivery(text, kind=Kind.STATUS, received_at=at)

    now = now_ms()
    await pipeline.commit([status(b"starting", now), status(b"running", now + 1)])
    await pipeline.commit([status(b"old", now - 1000)])
    assert await pool.fetch("select text from ops.device_status") == [("running",)]
    await pipeline.commit([status(b"stopping", now + 2), status(b"\xff", now)])
    assert await pool.fetchval("select text from ops.device_status") == "stopping"
    assert len(await dead_letters_table.page(pool, Selection(device="t-1"), None, 10)) == 1


async def test_events_wait_while_the_disk_is_full(pool: Pool, tmp_path: Path) -> None:
    free = 4
    guard = DiskGuard(tmp_path, usage=lambda _: Usage(100 << 30, (100 - free) << 30, free << 30))
    await guard.look()
    waiting = asyncio.create_task(
        EventPipeline(pool, pool, retention_days=lambda: 30, guard=guard).commit([event({"name": "door"})])
    )
    await asyncio.sleep(0.1)
    assert not waiting.done()
    free = 6
    await guard.look()
    await asyncio.wait_for(waiting, 5)
    assert await pool.fetchval("select count(*) from ops.events") == 1


async def test_the_events_of_a_device_are_bounded_and_those_of_others_stay(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_table, "KEPT", 20)
    monkeypatch.setattr(events, "TRIM_EVERY", 5)
    ts = now_ms()

    def sent(first: int, count: int, device: str = "t-1") -> list[Delivery]:
        numbers = range(first, first + count)
        return [event({"ts": ts - 1000 + n, "name": f"e{n}"}, device=thermometer(device)) for n in numbers]

    async def kept(device: str) -> int:
        return int(await pool.fetchval("select count(*) from ops.events where device_id = $1", device))

    pipeline = EventPipeline(pool, pool, retention_days=lambda: 30)
    await pipeline.commit(sent(0, 15, "t-2"))
    for first in range(0, 60, 4):
        await pipeline.commit(sent(first, 4))
        assert await kept("t-1") <= 20 + 5 + 4
    assert await kept("t-2") == 15
    await EventPipeline(pool, pool, retention_days=lambda: 30).commit(sent(60, 1))  # a start counts anew
    names = await pool.fetchval("select array_agg(name order by timestamp) from ops.events where device_id = 't-1'")
    assert names == [f"e{n}" for n in range(41, 61)]
