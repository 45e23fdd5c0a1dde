"""Telemetry from deliveries to committed rows, on a real PostgreSQL."""

import asyncio
from pathlib import Path

import pytest

from ingest.disk_guard import DiskGuard, Usage
from ingest.periods import RAW
from iotsphere.delivery import Delivery
from iotsphere.events import MessageRefused, TelemetryEnvelope
from tests.support.devices import delivery, thermometer
from tests.support.ingest import TestIngest, now_ms, running_ingest
from tests.support.waiting import until

pytestmark = pytest.mark.integration
DAY_MS = 86_400_000


def counted(it: TestIngest, name: str) -> float:
    return float(getattr(it.metrics, name)._value.get())


async def test_readings_are_in_the_table_when_commit_returns(migrated_dsn: str, valkey_url: str) -> None:
    async with running_ingest(migrated_dsn, valkey_url) as it:
        ts = now_ms() + 0.125
        await it.pipeline.commit([delivery({"ts": ts, "values": {"temperature": 21.5, "humidity": True, "x": 1}})])
        assert await it.rows() == {(ts, "temperature"): 21.5, (ts, "humidity"): 1.0, (ts, "x"): 1.0}
        assert (
            await it.pool.fetchval("select metadata->>'quality' from telemetry.telemetry where measurement = 'x'") == "undeclared"
        )
        assert await it.letters() == []
        assert counted(it, "points") == 3


async def test_bad_values_and_messages_are_in_the_dead_letters_and_the_rest_in_the_table(
    migrated_dsn: str, valkey_url: str
) -> None:
    async with running_ingest(migrated_dsn, valkey_url) as it:
        ts = now_ms()
        await it.pipeline.commit(
            [
                delivery({"ts": ts, "values": {"temperature": "warm", "humidity": 1}}),
                delivery(b"\x00 no json \xff"),
                delivery({"ts": 5, "values": {"temperature": 2}}),
                delivery({"ts": ts, "values": {"temperature": 3}}, device=thermometer("t-2")),
            ]
        )
        assert await it.rows() == {(ts, "humidity"): 1.0}
        assert await it.rows("t-2") == {(ts, "temperature"): 3.0}
        assert {letter[1:] for letter in await it.letters()} == {
            (None, "clock"),
            (None, "validation"),
            ("temperature", "validation"),
        }
        assert len(await it.letters()) == 3


async def test_a_message_that_is_given_up_is_kept_whole_in_the_dead_letters(migrated_dsn: str, valkey_url: str) -> None:
    async with running_ingest(migrated_dsn, valkey_url) as it:
        await it.pipeline.bury(delivery(b"x" * 10_000), "no sense in it")
        letter = await it.pool.fetchrow("select category, reason, length(payload) from telemetry.dead_letters")
        assert tuple(letter or ()) == ("store", "no sense in it", 10_000)


async def test_repeated_readings_are_stored_once(migrated_dsn: str, valkey_url: str) -> None:
    async with running_ingest(migrated_dsn, valkey_url) as it:
        ts = now_ms()
        first = [delivery({"ts": ts + n, "values": {"temperature": n}}) for n in range(3)]
        await it.pipeline.commit(first)
        await it.pipeline.commit([delivery(d.payload, repeated=True) for d in first])
        assert counted(it, "staged") == 0, "what may be repeated is staged by itself"
        await it.pipeline.commit([*first, delivery({"ts": ts + 9, "values": {"temperature": 9}})])  # repeated without saying so
        assert counted(it, "staged") == 1
        assert await it.rows() == {(ts + n, "temperature"): n for n in (0, 1, 2, 9)}
        assert await it.letters() == []


@pytest.mark.parametrize("repeated", [True, False])
async def test_another_value_under_the_same_key_is_a_conflict(migrated_dsn: str, valkey_url: str, repeated: bool) -> None:
    async with running_ingest(migrated_dsn, valkey_url) as it:
        ts = now_ms()
        await it.pipeline.commit([delivery({"ts": ts, "values": {"temperature": 1, "humidity": 1}})])
        again = delivery({"ts": ts, "values": {"temperature": 2, "humidity": 1, "pulses": 5}}, repeated=repeated)
        await it.pipeline.commit([again])
        assert await it.rows() == {(ts, "temperature"): 1.0, (ts, "humidity"): 1.0, (ts, "pulses"): 5.0}
        assert await it.letters() == [("t-1", "temperature", "conflict")]
        letter = await it.pool.fetchrow("select payload, reason from telemetry.dead_letters")
        assert letter is not None
        assert letter["payload"] == again.payload
        assert "is 1.0 already, not 2.0" in letter["reason"]
        await until(
            lambda: any(isinstance(e, TelemetryEnvelope) and len(e.points) == 2 and e.points[1][2] == "pulses" for e in it.events)
        )


async def test_conflicts_within_one_batch_are_found_too(migrated_dsn: str, valkey_url: str) -> None:
    async with running_ingest(migrated_dsn, valkey_url) as it:
        ts = now_ms()
        await it.pipeline.commit([delivery({"ts": ts, "values": {"temperature": n}}) for n in (1, 2, 1)])
        assert await it.rows() == {(ts, "temperature"): 1.0}
        assert await it.letters() == [("t-1", "temperature", "conflict")]


async def test_two_commits_at_once_with_the_same_readings_in_other_orders(migrated_dsn: str, valkey_url: str) -> None:
    async with running_ingest(migrated_dsn, valkey_url) as it:
        ts = now_ms()
        sent = [delivery({"ts": ts + n, "values": {"temperature": n, "humidity": n % 100}}) for n in range(500)]
        async with asyncio.timeout(30):
            for _ in range(3):
                await asyncio.gather(it.pipeline.commit(sent), it.pipeline.commit(sent[::-1]), it.pipeline.commit(sent[::2]))
        assert await it.count() == 1000
        assert await it.letters() == []


async def test_a_missing_day_is_made_on_demand(migrated_dsn: str, valkey_url: str) -> None:
    async with running_ingest(migrated_dsn, valkey_url) as it:
        ts, old = now_ms(), now_ms() - 20 * DAY_MS
        sent = [
            delivery({"ts": ts, "values": {"temperature": 1}}),
            delivery({"ts": old, "values": {"temperature": 2}}),
            delivery(b"?"),
        ]
        await asyncio.gather(*(it.pipeline.commit([*sent[:2]]) for _ in range(3)))
        await it.pipeline.commit(sent)
        assert await it.rows() == {(ts, "temperature"): 1.0, (old, "temperature"): 2.0}
        assert await it.letters() == [("t-1", None, "validation")]
        assert await it.pool.fetchval("select to_regclass('telemetry.' || $1) is not null", RAW.name(old // DAY_MS))


async def test_a_day_that_somebody_has_dropped_is_made_again(migrated_dsn: str, valkey_url: str) -> None:
    async with running_ingest(migrated_dsn, valkey_url) as it:
        ts = now_ms()
        await it.pool.execute(f"drop table telemetry.{RAW.name(ts // DAY_MS)}")
        await it.pipeline.commit([delivery({"ts": ts, "values": {"temperature": 1}})])
        assert await it.rows() == {(ts, "temperature"): 1.0}
        assert await it.letters() == []


async def test_a_boot_keeps_its_offset_so_that_a_resend_meets_the_same_key(migrated_dsn: str, valkey_url: str) -> None:
    now = now_ms()
    message = {"boot": "b1", "up": 60_000, "values": {"temperature": 1}}
    async with running_ingest(migrated_dsn, valkey_url) as it:
        await it.pipeline.commit([delivery(message, received_at=now)])
        assert await it.rows() == {(now, "temperature"): 1.0}
    async with running_ingest(migrated_dsn, valkey_url) as it:  # a restart, and the resend comes late
        await it.pipeline.commit([delivery(message, received_at=now + 7000, repeated=True)])
        later = {"boot": "b1", "up": 61_000, "values": {"temperature": 2}}
        await it.pipeline.commit(
            [
                delivery(later, received_at=now + 8000),
                delivery({"boot": "b2", "up": 1, "values": {"humidity": 3}}, received_at=now),
            ]
        )
        assert await it.rows() == {(now, "temperature"): 1.0, (now + 1000, "temperature"): 2.0, (now, "humidity"): 3.0}
        assert await it.letters() == []


async def test_the_boots_of_a_device_are_bounded(migrated_dsn: str, valkey_url: str) -> None:
    now = now_ms()

    def boot(name: str, device: str = "t-1") -> Delivery:
        message = {"boot": name, "up": 1000, "values": {"temperature": 1}}
        return delivery(message, received_at=now, device=thermometer(device))

    async with running_ingest(migrated_dsn, valkey_url) as it:
        await it.pipeline.commit([boot("b", "t-2")])
        for part in range(3):
            await it.pipeline.commit([boot(f"b{part}-{n}") for n in range(60)])
        kept = await it.pool.fetch(
            "select device_id, left(boot, 2) as part, count(*) from telemetry.boots group by 1, 2 order by 2"
        )
        assert [tuple(row) for row in kept] == [("t-2", "b", 1), ("t-1", "b1", 40), ("t-1", "b2", 60)]
        assert await it.letters() == []


async def test_announcements_follow_the_commit(migrated_dsn: str, valkey_url: str) -> None:
    async with running_ingest(migrated_dsn, valkey_url) as it:
        ts = now_ms()
        sent = [
            delivery({"ts": ts + n, "values": {"temperature": n % 100, "humidity": 1}}, device=thermometer("s-1", "simulated"))
            for n in range(600)
        ]
        await it.pipeline.commit(sent)
        await it.pipeline.commit([delivery(b"x"), delivery(b"x"), delivery({"ts": 1, "values": {}})])
        await until(lambda: sum(len(e.points) for e in it.events if isinstance(e, TelemetryEnvelope)) == 1200)
        envelopes = [e for e in it.events if isinstance(e, TelemetryEnvelope)]
        assert max(len(e.points) for e in envelopes) == 500
        assert envelopes[0].points[:2] == [
            ("s-1", float(ts), "temperature", 0.0, True),
            ("s-1", float(ts), "humidity", 1.0, True),
        ]
        await until(lambda: sum(isinstance(e, MessageRefused) for e in it.events) == 2)
        assert sorted((e.category, e.count) for e in it.events if isinstance(e, MessageRefused)) == [
            ("clock", 1),
            ("validation", 2),
        ]


async def test_under_load_only_the_newest_are_announced(migrated_dsn: str, valkey_url: str) -> None:
    async with running_ingest(migrated_dsn, valkey_url) as it:
        ts = now_ms() - 100_000
        await it.pipeline.commit([delivery({"ts": ts + n, "values": {"temperature": 1, "humidity": 2}}) for n in range(5000)])
        await until(lambda: bool(it.events))
        [envelope] = it.events
        assert isinstance(envelope, TelemetryEnvelope)
        assert [(p[1], p[2]) for p in envelope.points] == [(float(ts + 4999), "temperature"), (float(ts + 4999), "humidity")]
        assert counted(it, "coalesced") == 9998


async def test_commits_wait_while_the_disk_is_full(migrated_dsn: str, valkey_url: str, tmp_path: Path) -> None:
    free = 4
    guard = DiskGuard(tmp_path, usage=lambda _: Usage(100 << 30, (100 - free) << 30, free << 30))
    await guard.look()
    async with running_ingest(migrated_dsn, valkey_url, guard=guard) as it:
        waiting = asyncio.create_task(it.pipeline.commit([delivery({"ts": now_ms(), "values": {"temperature": 1}})]))
        await asyncio.sleep(0.2)
        assert not waiting.done()
        assert await it.count() == 0
        free = 7
        await guard.look()
        await asyncio.wait_for(waiting, 5)
        assert await it.count() == 1
