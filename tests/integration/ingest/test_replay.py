"""Dead letters go the way of their message again: none is lost, none comes twice."""

import asyncio
import json
from dataclasses import replace

import pytest

from ingest.store import Slot
from iotsphere import topics
from iotsphere.devices._spec import Measurement
from iotsphere.events import TelemetryEnvelope
from tests.support.devices import THERMOMETER, TYPES, delivery, thermometer
from tests.support.ingest import TestIngest, now_ms, running_ingest
from tests.support.letters import ask, outcome, replayer
from tests.support.waiting import until

pytestmark = pytest.mark.integration
DAY_MS = 86_400_000


async def bury(it: TestIngest, *bodies: object, category: str = "store", **more: int) -> None:
    """As the lane does with what a defect of ours was in the way of."""
    for body in bodies:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        await it.pipeline.bury(delivery(data, received_at=more.get("received_at", now_ms())), "it cannot be processed")
    await it.pool.execute("update telemetry.dead_letters set category = $1", category)


async def rows_of_letters(it: TestIngest) -> list[tuple[object, ...]]:
    found = await it.pool.fetch("select measurement, category, reason, replays, replay from telemetry.dead_letters order by id")
    return [tuple(row) for row in found]


async def settled(it: TestIngest, replay: str) -> bool:
    return (await outcome(it, replay))[2] == 0


async def test_what_a_defect_of_ours_buried_is_stored_and_told_after_the_mend(migrated_dsn: str, valkey_url: str) -> None:
    async with running_ingest(migrated_dsn, valkey_url) as it, replayer(it, migrated_dsn) as made:
        ts = now_ms()
        await bury(it, *({"ts": ts + n, "values": {"temperature": n}, "seq": n} for n in range(300)))
        replay = await ask(it)
        assert await outcome(it, replay) == (0, 0, 300)
        assert [await made.turn(), await made.turn(), await made.turn()] == [200, 100, 0]
        assert await it.rows() == {(ts + n, "temperature"): float(n) for n in range(300)}
        assert await it.letters() == []
        assert await outcome(it, replay) == (300, 0, 0)
        await until(lambda: sum(len(e.points) for e in it.events if isinstance(e, TelemetryEnvelope)) >= 1)


async def test_a_message_without_time_gets_that_of_its_arrival(migrated_dsn: str, valkey_url: str) -> None:
    async with running_ingest(migrated_dsn, valkey_url) as it, replayer(it, migrated_dsn) as made:
        arrived = now_ms() - 2 * DAY_MS
        await bury(it, {"values": {"temperature": 5}}, received_at=arrived)
        await ask(it)
        await made.turn()
        assert await it.rows() == {(arrived, "temperature"): 5.0}


async def test_a_device_without_a_clock_gets_the_offset_of_its_boot(migrated_dsn: str, valkey_url: str) -> None:
    async with running_ingest(migrated_dsn, valkey_url) as it, replayer(it, migrated_dsn) as made:
        arrived = now_ms()
        await it.pipeline.commit([delivery({"boot": "b", "up": 1000, "values": {"temperature": 1}}, received_at=arrived)])
        await bury(it, {"boot": "b", "up": 3000, "values": {"temperature": 2}}, received_at=arrived + 9000)
        await ask(it)
        await made.turn()
        assert await it.rows() == {(arrived, "temperature"): 1.0, (arrived + 2000, "temperature"): 2.0}


async def test_only_the_value_that_was_refused_is_stored_later(migrated_dsn: str, valkey_url: str) -> None:
    arrived = now_ms()
    async with running_ingest(migrated_dsn, valkey_url) as it, replayer(it, migrated_dsn) as made:
        await it.pipeline.commit([delivery({"values": {"temperature": 1, "2nd": 7, "3rd": 8}}, received_at=arrived)])
        assert {m for _, m, _ in await it.letters()} == {"2nd", "3rd"}
        replay = await ask(it)
        assert await made.turn() == 2
        assert await it.rows() == {(arrived, "temperature"): 1.0}
        assert await outcome(it, replay) == (0, 2, 0)
        assert [(m, c, n, r) for m, c, _, n, r in await rows_of_letters(it)] == [
            ("2nd", "validation", 1, None),
            ("3rd", "validation", 1, None),
        ]


async def test_what_fails_again_stays_with_its_new_reason(migrated_dsn: str, valkey_url: str) -> None:
    async with running_ingest(migrated_dsn, valkey_url) as it, replayer(it, migrated_dsn) as made:
        ts = now_ms()
        await it.pipeline.commit([delivery({"ts": ts, "values": {"temperature": 1}})])
        await bury(it, {"ts": ts, "values": {"temperature": 2, "humidity": 3}}, b"no json")
        for count in (1, 2):
            replay = await ask(it)
            await made.turn()
            assert await outcome(it, replay) == (0, 2, 0)
            [conflict, garbage] = await rows_of_letters(it)
            assert (conflict[:2], garbage[:2]) == (("temperature", "conflict"), (None, "validation"))
            assert "is 1.0 already, not 2.0" in str(conflict[2])
            assert conflict[3] == garbage[3] == count
        assert await it.rows() == {(ts, "temperature"): 1.0, (ts, "humidity"): 3.0}


async def test_all_that_is_wrong_with_a_message_is_told_once(migrated_dsn: str, valkey_url: str) -> None:
    async with running_ingest(migrated_dsn, valkey_url) as it, replayer(it, migrated_dsn) as made:
        await bury(it, {"ts": now_ms(), "values": {"temperature": "warm", "humidity": "wet", "pulses": 1}})
        for _ in range(2):
            await ask(it)
            await made.turn()
            assert await it.letters() == [("t-1", "temperature", "validation"), ("t-1", "humidity", "validation")]
        assert await it.count() == 1


async def test_the_clock_is_judged_as_of_the_arrival(migrated_dsn: str, valkey_url: str) -> None:
    async with running_ingest(migrated_dsn, valkey_url) as it, replayer(it, migrated_dsn) as made:
        arrived = now_ms() - 3 * 3_600_000
        await bury(it, {"ts": arrived + 2 * 3_600_000, "values": {"temperature": 1}}, received_at=arrived)
        await bury(it, {"ts": arrived - 49 * DAY_MS, "values": {"temperature": 1}}, received_at=arrived - 20 * DAY_MS)
        await ask(it)
        await made.turn()
        ahead, old = await rows_of_letters(it)
        assert "2 h ahead" in str(ahead[2])
        assert "longer than readings are kept" in str(old[2])
        assert await it.count() == 0


async def test_a_mended_type_declares_what_it_did_not(migrated_dsn: str, valkey_url: str) -> None:
    wider = replace(THERMOMETER, measurements=(*THERMOMETER.measurements, Measurement("depth", "Depth")))
    async with (
        running_ingest(migrated_dsn, valkey_url) as it,
        replayer(it, migrated_dsn, types={**TYPES, wider.key: wider}) as made,
    ):
        await bury(it, {"ts": now_ms(), "values": {"depth": 1}})
        await ask(it)
        await made.turn()
        assert await it.pool.fetchval("select metadata from telemetry.telemetry") is None


@pytest.mark.parametrize(
    ("topic", "body", "reason"),
    [
        ("iot/v1/t-1/shadow/update", b'{"state": {}}', "not replayed"),
        ("iot/v1/gone/telemetry", b'{"values": {"temperature": 1}}', "no such device"),
        ("iot/v1/t-1/telemetry", b'{"values": "' + b"x" * 5000, "only the beginning"),
    ],
)
async def test_what_cannot_be_replayed_says_why(migrated_dsn: str, valkey_url: str, topic: str, body: bytes, reason: str) -> None:
    async with running_ingest(migrated_dsn, valkey_url) as it, replayer(it, migrated_dsn) as made:
        await it.pool.execute(
            """insert into telemetry.dead_letters (device_id, topic, payload, category, reason, size)
               values (split_part($1, '/', 3), $1, $2, 'store', 'old', $3)""",
            topic, body[:4096], len(body),
        )  # fmt: skip
        replay = await ask(it)
        await made.turn()
        assert await outcome(it, replay) == (0, 1, 0)
        assert reason in str((await rows_of_letters(it))[0][2])


async def test_events_come_through_too_and_only_once(migrated_dsn: str, valkey_url: str) -> None:
    async with running_ingest(migrated_dsn, valkey_url) as it, replayer(it, migrated_dsn) as made:
        arrived = now_ms()
        event = delivery({"name": "opened", "severity": "info"}, kind=topics.Kind.EVENT, received_at=arrived)
        for _ in range(2):
            await it.pipeline.bury(event, "it cannot be processed")
        await ask(it)
        assert await made.turn() == 2
        assert [row["name"] for row in await it.pool.fetch("select name from ops.events")] == ["opened"]
        assert await it.letters() == []


async def test_a_letter_that_a_defect_meets_keeps_nobody_waiting(
    migrated_dsn: str, valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_ingest(migrated_dsn, valkey_url) as it, replayer(it, migrated_dsn) as made:
        ts = now_ms()
        await bury(it, {"ts": ts, "values": {"temperature": 1}}, {"ts": ts, "values": {"pulses": 1}})
        await it.pool.execute("alter table telemetry.telemetry add check (measurement <> 'pulses')")
        replay = await ask(it)
        while await made.turn():
            pass
        assert await outcome(it, replay) == (1, 1, 0)
        assert [(m, c) for m, c, *_ in await rows_of_letters(it)] == [(None, "store")]


async def test_a_killed_replay_is_undone_and_done_once_more(migrated_dsn: str, valkey_url: str) -> None:
    async with running_ingest(migrated_dsn, valkey_url) as it:
        ts = now_ms()
        await bury(it, *({"ts": ts + n, "values": {"temperature": n}} for n in range(50)))
        replay = await ask(it)
        slot, stored = Slot(migrated_dsn), asyncio.Event()

        async def hang() -> None:
            stored.set()
            await asyncio.Event().wait()

        async with replayer(it, migrated_dsn) as first:
            settle = first._settle

            async def settle_and_hang(*arguments: object) -> None:
                await settle(*arguments)  # type: ignore[arg-type]
                await hang()

            first._settle = settle_and_hang  # type: ignore[method-assign]
            turn = asyncio.create_task(first.turn())
            await asyncio.wait_for(stored.wait(), 10)
            turn.cancel()
            await asyncio.gather(turn, return_exceptions=True)
        slot.drop()
        assert await it.count() == 0
        assert await outcome(it, replay) == (0, 0, 50)
        async with replayer(it, migrated_dsn) as second:
            await second.turn()
        assert await it.count() == 50
        assert await outcome(it, replay) == (50, 0, 0)


async def test_two_processes_share_the_work(migrated_dsn: str, valkey_url: str) -> None:
    async with running_ingest(migrated_dsn, valkey_url) as it:
        ts = now_ms()
        await bury(it, *({"ts": ts + n, "values": {"temperature": n}} for n in range(300)))
        replay = await ask(it)
        async with replayer(it, migrated_dsn) as one, replayer(it, migrated_dsn) as other:
            one.start()
            other.start()
            await until(lambda: settled(it, replay), timeout=20)
        assert await outcome(it, replay) == (300, 0, 0)
        assert await it.count() == 300


async def test_the_simulated_stay_marked(migrated_dsn: str, valkey_url: str) -> None:
    device = thermometer("t-1", "simulated")
    async with running_ingest(migrated_dsn, valkey_url) as it, replayer(it, migrated_dsn, device) as made:
        await bury(it, {"ts": now_ms(), "values": {"temperature": 1}})
        await ask(it)
        await made.turn()
        assert await it.pool.fetchval("select metadata->>'source' from telemetry.telemetry") == "simulation"
