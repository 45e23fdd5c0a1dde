"""Rollups agree with the readings at every moment, whoever writes, drains or dies meanwhile."""

import asyncio
import math
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from ingest import rollup_table
from ingest.batch import Batch, Row, Rows, moment_of
from ingest.metrics import IngestMetrics
from ingest.partitions import Partitions
from ingest.periods import MINUTES
from ingest.roller import Roller
from ingest.rollup_marks import Marks
from ingest.rollup_reads import NativeRollups
from ingest.rollups import DAY, HOUR, MINUTE, STEPS, Level
from ingest.store import Store
from iotsphere.infra.postgres import Pool
from tests.support.devices import delivery, thermometer
from tests.support.rollups import expected, kept, marks, read
from tests.support.waiting import until

pytestmark = pytest.mark.integration
NOW = datetime.now(UTC).replace(microsecond=0)
START = (NOW - 3 * DAY).replace(hour=0, minute=0, second=0)
DEVICES = ["t-1", "t-2", "t-3"]
ONE = "insert into telemetry.telemetry values ('t-1', $1, 'm', 2, null)"


def batch(*readings: tuple[str, datetime, float], doubtful: bool = False, metadata: str | None = None) -> Batch:
    rows = Rows()
    for device, moment, value in readings:
        row: Row = (device, moment_of(round(moment.timestamp() * 1_000_000)), "m", value, metadata)
        rows.add([row], delivery(b"", device=thermometer(device)))
    days = {int(moment.timestamp() // 86_400) for _, moment, _ in readings}
    return Batch(Rows() if doubtful else rows, rows if doubtful else Rows(), [], days)


class Writer:
    """A store with its roller, as one process has them."""

    def __init__(self, dsn: str, pool: Pool) -> None:
        self.marks = Marks()
        self.store = Store(dsn, Partitions(pool, 30), IngestMetrics(), self.marks)
        self.roller = Roller(pool, self.marks, Partitions(pool, None, period=MINUTES))

    async def write(self, *readings: tuple[str, datetime, float], **how: object) -> None:
        await self.store.store(batch(*readings, **how))  # type: ignore[arg-type]


@pytest.fixture
async def writer(migrated_dsn: str, pool: Pool) -> Writer:
    await Partitions(pool, 30).load()
    return Writer(migrated_dsn, pool)


async def agrees(pool: Pool, start: datetime = START, end: datetime = NOW + HOUR, steps: Sequence[timedelta] = STEPS) -> None:
    for step in steps:
        assert await read(NativeRollups(pool), DEVICES, start, end, step) == await expected(pool, start, end, step), step


def scattered(count: int, seed: int) -> list[tuple[str, datetime, float]]:
    dice = random.Random(seed)
    seconds = (NOW - START).total_seconds()
    return [(dice.choice(DEVICES), START + timedelta(seconds=dice.random() * seconds), dice.randrange(100)) for _ in range(count)]


async def test_reads_are_exact_before_while_and_after_everything_is_drained(pool: Pool, writer: Writer) -> None:
    await writer.write(*scattered(400, 1))
    assert await kept(pool, Level.MINUTE) == 0
    await agrees(pool)
    await writer.roller.turn()
    assert await kept(pool, Level.HOUR) > 0
    await agrees(pool)
    await writer.write(*scattered(100, 2), metadata='{"source": "simulation"}')
    await agrees(pool)
    await agrees(pool, START + timedelta(minutes=90, seconds=7), NOW - timedelta(hours=5, minutes=1, seconds=1))
    assert await writer.roller.settle()
    assert await marks(pool) == []
    await agrees(pool)
    await agrees(pool, START + timedelta(minutes=90, seconds=7), NOW - timedelta(hours=5, minutes=1, seconds=1))


async def test_the_open_minute_is_right_at_once_and_costs_one_mark(pool: Pool, writer: Writer) -> None:
    minute = NOW.replace(second=0)
    for n in range(20):
        await writer.write(("t-1", minute + timedelta(milliseconds=n), n))
        await writer.roller.turn()
        assert (await read(NativeRollups(pool), ["t-1"], minute, minute + MINUTE, MINUTE))["t-1", "m", minute][:2] == (
            n + 1,
            sum(range(n + 1)),
        )
    assert len(await marks(pool)) <= 20
    await writer.write(("t-1", minute, 0), doubtful=True)
    before = len(await marks(pool))
    for n in range(20, 30):
        await writer.write(("t-1", minute + timedelta(milliseconds=n), n))
    assert len(await marks(pool)) == before, "it is marked already"


async def test_late_readings_count_in_their_own_time_and_repeated_ones_once(pool: Pool, writer: Writer) -> None:
    first = START + timedelta(hours=5)
    await writer.write(("t-1", first, 1), ("t-1", first + timedelta(seconds=50), 5))
    await writer.roller.turn()
    await writer.write(("t-1", first - timedelta(seconds=1), 9), ("t-1", first + timedelta(seconds=10), 3))
    await writer.write(("t-1", first, 1), ("t-1", first + timedelta(seconds=10), 3), doubtful=True)
    await writer.roller.turn()
    assert await marks(pool) == []
    found = await read(NativeRollups(pool), ["t-1"], START, START + DAY, HOUR)
    assert found["t-1", "m", first] == (3, 9, 1, 5, 1, 5, 1)
    assert found["t-1", "m", first - HOUR] == (1, 9, 9, 9, 9, 9, 1)
    await agrees(pool)


async def test_a_value_that_is_null_is_no_reading(pool: Pool, writer: Writer) -> None:
    await writer.write(("t-1", START, 1))
    await pool.execute("insert into telemetry.telemetry values ('t-1', $1, 'm', null, null)", START + timedelta(seconds=1))
    await writer.roller.settle()
    assert (await read(NativeRollups(pool), ["t-1"], START, START + DAY, DAY))["t-1", "m", START] == (1, 1, 1, 1, 1, 1, 1)


async def test_a_batch_that_relies_on_a_mark_is_waited_for(pool: Pool, writer: Writer) -> None:
    minute = START + timedelta(hours=7)
    await writer.write(("t-1", minute, 1))
    # Another transaction holds the key, so that the second batch hangs in the middle of its commit.
    async with pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute(
            "insert into telemetry.telemetry values ('t-1', $1, 'm', 2, null)", minute + timedelta(seconds=2)
        )
        slow = asyncio.create_task(
            writer.write(("t-1", minute + timedelta(seconds=1), 4), ("t-1", minute + timedelta(seconds=2), 2))
        )
        turn = asyncio.create_task(writer.roller.turn())
        await asyncio.sleep(0.3)
        assert not turn.done(), "it drained a mark on which a batch relies"
        await writer.write(("t-1", minute + timedelta(seconds=3), 8))  # begun after the withdrawal: it brings a mark of its own
        await transaction.rollback()
    await asyncio.gather(slow, turn)
    await agrees(pool)
    await writer.roller.turn()
    await agrees(pool)
    assert (await read(NativeRollups(pool), ["t-1"], minute, minute + MINUTE, MINUTE))["t-1", "m", minute][0] == 4


@pytest.mark.slow
async def test_several_writers_and_rollers_at_once_leave_no_bucket_wrong(migrated_dsn: str, pool: Pool, writer: Writer) -> None:
    writers = [writer, Writer(migrated_dsn, pool)]
    writing = True

    async def write(which: Writer, seed: int) -> None:
        dice = random.Random(seed)
        for n in range(60):
            moments = [START + timedelta(seconds=dice.randrange(3600), microseconds=seed * 1000 + n) for _ in range(20)]
            await which.write(*((dice.choice(DEVICES), moment, n) for moment in set(moments)))

    async def roll(which: Writer) -> None:
        while writing:
            await which.roller.turn()

    rolling = [asyncio.create_task(roll(one)) for one in writers]
    await asyncio.gather(*(write(one, seed) for seed, one in enumerate([*writers, *writers])))
    writing = False
    await asyncio.gather(*rolling)
    await agrees(pool, START, START + DAY)
    for one in writers:
        await one.roller.turn()
    assert await marks(pool) == []
    await agrees(pool, START, START + DAY)


async def test_marks_of_a_writer_that_died_are_adopted_and_those_of_a_living_one_are_not(
    migrated_dsn: str, pool: Pool, writer: Writer
) -> None:
    other = Writer(migrated_dsn, pool)
    await other.write(("t-1", START, 1))
    await writer.write(("t-2", START, 1))
    await writer.roller.turn()
    assert await marks(pool) == [(0, "t-1")]
    await agrees(pool)
    await other.store.close()

    async def drained() -> bool:
        await writer.roller.turn()
        return await marks(pool) == []

    await until(drained, 20)
    await agrees(pool)


async def test_a_batch_that_was_given_up_leaves_its_marks_to_the_next_process(
    migrated_dsn: str, pool: Pool, writer: Writer
) -> None:
    await writer.write(("t-1", START, 1))
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(ONE, START + timedelta(seconds=2))
        slow = asyncio.create_task(writer.write(("t-1", START + timedelta(seconds=2), 2)))
        await asyncio.sleep(0.2)
        slow.cancel()
        await asyncio.gather(slow, return_exceptions=True)
        await writer.roller.turn()
        assert (0, "t-1") in await marks(pool)
    await writer.store.close()
    after = Writer(migrated_dsn, pool)

    async def drained() -> bool:
        await after.roller.turn()
        return await marks(pool) == []

    await until(drained, 20)
    await agrees(pool)


async def test_readings_that_retention_has_dropped_keep_their_rollups(pool: Pool, writer: Writer) -> None:
    await writer.write(*((device, START + timedelta(seconds=7 * n), n) for device in DEVICES for n in range(100)))
    await writer.roller.turn()
    before = [await read(NativeRollups(pool), DEVICES, START, START + DAY, step) for step in STEPS]
    await pool.execute("delete from telemetry.telemetry where timestamp < $1", START + timedelta(minutes=5, seconds=30))
    async with pool.acquire() as connection:  # marks for what is gone, wholly and in part, at every level
        await connection.execute(
            "insert into telemetry.rollup_dirty (level, writer, device_id, bucket) "
            "select 0, 0, d, $1::timestamptz + n * interval '1 min' from unnest($2::text[]) d, generate_series(0, 10) n",
            START,
            DEVICES,
        )
    assert await writer.roller.settle()
    assert [await read(NativeRollups(pool), DEVICES, START, START + DAY, step) for step in STEPS] == before


async def test_readings_in_bulk_are_marked_by_who_writes_them(pool: Pool, writer: Writer) -> None:
    days = Partitions(pool, 30)
    await days.ensure(range(int(START.timestamp() // 86_400), int(NOW.timestamp() // 86_400)))
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(
            "insert into telemetry.telemetry select d, ts, 'm', extract(minute from ts), null from unnest($1::text[]) d, "
            "generate_series($2::timestamptz, $2::timestamptz + interval '30 h', interval '20 s') ts",
            DEVICES,
            START,
        )
        await rollup_table.mark_stretch(connection, START, START + 2 * DAY)
    await agrees(pool)
    async with pool.acquire() as connection:
        assert await rollup_table.oldest_mark(connection) == START
    assert await writer.roller.turn() > 5000, "more than one slice"
    await agrees(pool)
    assert await kept(pool, Level.MINUTE) == 3 * (30 * 60 + 1)


async def test_a_crash_in_the_middle_of_a_drain_leaves_marks(pool: Pool, writer: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    await writer.write(*scattered(50, 3))
    monkeypatch.setattr(
        rollup_table,
        "_UNMARK",
        "select 1 / (case when $1 >= 0 and $2::int[] is not null and $3::bigint[] is not null then 0 end)",
    )
    with pytest.raises(asyncpg.DivisionByZeroError):
        await writer.roller.turn()
    assert await kept(pool, Level.MINUTE) == 0
    await agrees(pool)
    monkeypatch.undo()
    await writer.roller.turn()
    assert await kept(pool, Level.MINUTE) > 0
    await agrees(pool)


@pytest.mark.parametrize("second", [START + timedelta(seconds=1), START + MINUTE, START + HOUR])
async def test_values_that_cannot_be_summed_count_in_no_bucket_and_hold_up_none(
    pool: Pool, writer: Writer, second: datetime
) -> None:
    await writer.write(*(("t-1", START + timedelta(seconds=n), 3) for n in range(2, 5000, 9)))
    await writer.write(("t-1", START, 1.7e308), ("t-1", second, 1.7e308), ("t-2", START, math.nan), ("t-2", second, 1e290))
    await agrees(pool)
    assert await writer.roller.settle(), "nothing stays marked, so that expired days can be dropped"
    await agrees(pool)
    assert await pool.fetchval("select count(*) from telemetry.telemetry where value > 1e290") == 3, "they are still there"


async def test_rollups_of_such_values_hold_up_none(pool: Pool, writer: Writer) -> None:
    """As they were made when such values were still taken."""
    await writer.write(("t-1", START, 1), ("t-1", START + 2 * MINUTE, 2), ("t-1", START + HOUR, 3))
    await writer.roller.settle()
    for moment in (START, START + MINUTE):
        await pool.execute("insert into telemetry.rollup_1m values ('t-1', 'odd', $1, 1, $2, $2, $2, $2, $2, 1)", moment, 1.7e308)
    await writer.write(("t-1", START + 3 * MINUTE, 4))
    assert await writer.roller.settle()
    found = await read(NativeRollups(pool), ["t-1"], START, START + DAY, HOUR)
    assert {key: bucket[:2] for key, bucket in found.items()} == {("t-1", "m", START): (3, 7), ("t-1", "m", START + HOUR): (1, 3)}
