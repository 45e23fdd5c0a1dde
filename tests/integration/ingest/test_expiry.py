"""What has been kept long enough goes; what it has added to rollups stays."""

import time
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from ingest import retention_table
from ingest.batch import DAY_US
from ingest.boots import BootOffsets
from ingest.build import BatchBuilder
from ingest.expiry import Expiry, cutoff
from ingest.expiry_preview import expiring
from ingest.ledger import Ledger
from ingest.partitions import Partitions
from ingest.periods import MINUTES, RAW
from ingest.retention_rules import ROLLUP_DAYS, Retention
from ingest.roller import Roller
from ingest.rollup_marks import Marks
from ingest.rollup_reads import NativeRollups
from ingest.rollups import DAY, HOUR, Level
from iotsphere.infra.postgres import Pool
from tests.support.devices import TYPES, delivery, thermometer
from tests.support.registry_rows import add_device
from tests.support.rollups import expected, read

pytestmark = pytest.mark.integration
TODAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
OLD, RECENT = TODAY - 40 * DAY, TODAY - 10 * DAY


@pytest.fixture
async def expiry(pool: Pool) -> Expiry:
    """Devices of two organizations, with a day of readings 40 days ago and one 10 days ago; nothing is drained."""
    days, months = Partitions(pool, None), Partitions(pool, None, period=MINUTES)
    await days.load()
    await days.ensure({RAW.number(day.date()) for day in (OLD, RECENT)})
    async with pool.acquire() as connection, connection.transaction():
        for start in (OLD, RECENT):
            await connection.execute(
                "insert into telemetry.telemetry select d, ts, 'm', extract(hour from ts), null "
                "from generate_series($1::timestamptz, $1 + interval '23 h', interval '20 min') ts, "
                "unnest(array['d-1', 'd-2']) d",
                start,
            )
        await connection.execute(
            "insert into telemetry.rollup_dirty (level, writer, device_id, bucket) "
            "select 0, 0, device_id, timestamp from telemetry.telemetry"
        )
        await connection.execute("insert into registry.organizations (id, name) values ('brief', 'Brief')")
        await add_device(connection, "d-1", organization="brief")
        await add_device(connection, "d-2", organization="default")
    return Expiry(pool, pool, days, months, Roller(pool, Marks(), months))


async def test_days_are_drained_before_they_are_dropped(pool: Pool, expiry: Expiry) -> None:
    before = await expected(pool, OLD, OLD + DAY, HOUR)
    assert len(before) == 48
    await expiry.turn(Retention(30))
    assert await pool.fetchval("select count(*) from telemetry.telemetry where timestamp < $1", OLD + DAY) == 0
    assert await pool.fetchval("select to_regclass('telemetry.' || $1)", RAW.name(RAW.number(OLD.date()))) is None
    assert await read(NativeRollups(pool), ["d-1", "d-2"], OLD, OLD + DAY, HOUR) == before
    assert await pool.fetchval("select count(*) from telemetry.telemetry where timestamp >= $1", RECENT) == 140


async def test_days_that_cannot_be_drained_stay(pool: Pool, expiry: Expiry) -> None:
    async with pool.acquire() as connection:  # of a writer that lives
        await connection.execute("select pg_advisory_lock_shared(hashtext('iotsphere rollup writer'), 7)")
        await connection.execute("update telemetry.rollup_dirty set writer = 7 where device_id = 'd-1'")
        await expiry.turn(Retention(30))
        assert await pool.fetchval("select count(*) from telemetry.telemetry where timestamp < $1", OLD + DAY) == 140
        await connection.execute("select pg_advisory_unlock_all()")
    await expiry.turn(Retention(30))
    assert await pool.fetchval("select count(*) from telemetry.telemetry where timestamp < $1", OLD + DAY) == 0


async def test_an_organization_that_keeps_less_loses_its_readings_alone(pool: Pool, expiry: Expiry) -> None:
    before = await expected(pool, RECENT, RECENT + DAY, HOUR)
    await expiry.turn(Retention(60, shorter={"brief": 5}))
    rows = await pool.fetch("select device_id, count(*) as n from telemetry.telemetry group by device_id")
    assert {row["device_id"]: row["n"] for row in rows} == {"d-2": 140}
    assert await read(NativeRollups(pool), ["d-1", "d-2"], RECENT, RECENT + DAY, HOUR) == before


async def test_rollups_go_by_their_own_time(pool: Pool, expiry: Expiry) -> None:
    await expiry.turn(Retention(60, levels={Level.MINUTE: None, Level.HOUR: 20, Level.DAY: None}))
    counts = [await pool.fetchval(f"select count(*) from telemetry.rollup_1{unit}") for unit in "mhd"]
    assert counts == [0, 0, 0], "nothing was drained yet"
    await Roller(pool, Marks(), Partitions(pool, None, period=MINUTES)).settle()
    await expiry.turn(Retention(60, levels={Level.MINUTE: None, Level.HOUR: 20, Level.DAY: None}))
    counts = [await pool.fetchval(f"select count(*) from telemetry.rollup_1{unit}") for unit in "mhd"]
    assert counts == [280, 48, 4]


async def test_what_would_go_is_told_before_it_goes(pool: Pool, expiry: Expiry) -> None:
    async with pool.acquire() as connection:
        found = await expiring(connection, "native", Retention(30, shorter={"brief": 5}), {"brief": ["d-1"]}, time.time())
    [day, organization] = found
    assert (day.what, day.name, day.start, day.end) == ("raw", RAW.name(RAW.number(OLD.date())), OLD, OLD + DAY)
    assert day.bytes is not None
    assert day.bytes > 8192
    assert (organization.name, organization.rows, organization.end) == ("brief", 140, cutoff(time.time(), 5))


async def test_what_is_set_is_read(pool: Pool) -> None:
    assert await retention_table.read(pool, 30) == Retention(30)
    assert await retention_table.raw_since(pool) == {}
    async with pool.acquire() as connection:
        await retention_table.put(connection, "*", "raw", 20)
        await retention_table.put(connection, "*", "1h", None)
        await retention_table.put(connection, "brief", "raw", 5)
        await retention_table.put(connection, "long", "raw", 25)
        levels = {**ROLLUP_DAYS, Level.HOUR: None}
        assert await retention_table.read(pool, 30) == Retention(20, levels, {"brief": 5}), "nobody keeps more"
        await retention_table.lift(connection, "brief")
    assert (await retention_table.read(pool, 30)).shorter == {}
    since = await retention_table.raw_since(pool)
    assert {who: round((datetime.now(UTC) - moment) / DAY) for who, moment in since.items()} == {"*": 20, "long": 25}


async def test_a_late_reading_does_not_take_the_place_of_a_rollup_of_what_is_gone(pool: Pool, expiry: Expiry) -> None:
    await expiry.turn(Retention(30, shorter={"brief": 5}))
    async with pool.acquire() as connection:
        await retention_table.put(connection, "*", "raw", 60)
    retention = await retention_table.read(pool, 60)
    assert retention.gone == {"*": OLD + DAY, "brief": cutoff(time.time(), 5)}
    builder = BatchBuilder(TYPES, 30, BootOffsets(), Ledger())
    builder.keep(retention)
    for organization, moment, taken in (
        ("default", OLD, False), ("default", OLD + DAY, True), ("brief", RECENT, False), ("brief", TODAY - 4 * DAY, True),
    ):  # fmt: skip
        late = delivery(
            {"ts": round(moment.timestamp() * 1000), "values": {"temperature": 1}},
            device=replace(thermometer("t-1"), organization=organization),
        )
        batch = builder.build([late], time.time() * 1000)
        assert (len(batch.fresh.rows), [one.category for one in batch.letters]) == ((1, []) if taken else (0, ["clock"]))
    assert (await retention_table.raw_since(pool))["*"] == OLD + DAY, "charts read rollups before"
    await retention_table.let_go(pool, "*", OLD)
    assert (await retention_table.read(pool, 60)).gone["*"] == OLD + DAY, "what is gone stays gone"


def test_readings_that_would_go_the_next_night_are_refused() -> None:
    builder = BatchBuilder(TYPES, 30, BootOffsets(), Ledger())
    now = time.time() * 1000
    messages = [
        delivery({"ts": round(now - 6 * DAY_US / 1000), "values": {"temperature": 1}}, device=d)
        for d in (thermometer("t-1"), replace(thermometer("t-2"), organization="brief"))
    ]
    builder.keep(Retention(30, shorter={"brief": 5}))
    batch = builder.build(messages, now)
    assert [row[0] for row in batch.fresh.rows] == ["t-1"]
    assert [(letter.device.id, letter.category) for letter in batch.letters] == [("t-2", "clock")]
