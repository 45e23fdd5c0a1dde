"""Both engines of the telemetry store behave alike.

``timescale`` runs on the server of IOTSPHERE_TEST_TIMESCALE_DSN, else on the one of tests/support/timescale_server.py, which
crashes on COPY: there the readings are written with INSERT, and the writer's test is skipped.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest

import migrations
from ingest import timescale_table
from ingest.batch import Batch, Row, Rows, moment_of
from ingest.engine import Engine, EngineRollups, RollupReads, engine_of, prepare
from ingest.expiry import Expiry
from ingest.expiry_preview import expiring
from ingest.metrics import IngestMetrics
from ingest.partitions import Partitions
from ingest.periods import MINUTES, RAW
from ingest.retention_rules import ROLLUP_DAYS, Retention
from ingest.roller import Roller
from ingest.rollup_marks import Marks, keys_of
from ingest.rollup_table import NOBODY, marking
from ingest.rollups import DAY, HOUR, MINUTE, STEPS, Buckets, Level
from ingest.store import Store
from iotsphere.errors import InvalidInput
from iotsphere.infra.postgres import Pool, make_pool
from launcher import backup, restore, telemetry_retention
from tests.support import servers
from tests.support.devices import delivery, thermometer
from tests.support.rollups import Found, expected, read
from tests.support.timescale_server import timescale

pytestmark = pytest.mark.integration
NOW = datetime.now(UTC).replace(microsecond=0)
START = (NOW - 3 * DAY).replace(hour=0, minute=0, second=0)
DEVICES = ["t-1", "t-2"]
GIVEN = os.environ.get("IOTSPHERE_TEST_TIMESCALE_DSN")
KEEP_DAYS = 30
PAUSED = "select alter_job(job_id, scheduled => false) from timescaledb_information.jobs where hypertable_schema is not null"
Reading = tuple[str, datetime, float | None, str | None]


@dataclass
class Subject:
    """An engine under test."""

    dsn: str
    pool: Pool
    engine: Engine
    reads: RollupReads

    async def write(self, *readings: Reading) -> None:
        """Commit readings of the measurement m, as the writer does it, without COPY."""
        partitions = Partitions(self.pool, None)
        await partitions.ensure({RAW.number(moment.date()) for _, moment, _, _ in readings})
        rows: list[Row] = [(d, moment_of(round(t.timestamp() * 1e6)), "m", 0.0, None) for d, t, _, _ in readings]
        async with self.pool.acquire() as connection, connection.transaction():
            await connection.execute(marking(keys_of(rows), NOBODY))
            for device, moment, value, metadata in readings:
                await connection.execute(
                    "insert into telemetry.telemetry values ($1, $2, 'm', $3, $4) on conflict do nothing",
                    device, moment, value, metadata,
                )  # fmt: skip

    async def settle(self) -> None:
        """Bring the rollups up to date."""
        if self.engine.name == "native":
            assert await Roller(self.pool, Marks(), Partitions(self.pool, None, period=MINUTES)).settle()
            return
        async with self.pool.acquire() as connection:
            await timescale_table.refresh(connection)

    async def drop_before(self, day: datetime) -> None:
        """What retention does to raw readings."""
        if self.engine.name == "native":
            partitions = Partitions(self.pool, (NOW - day).days - 1)
            assert await partitions.drop_expired()
            return
        async with self.pool.acquire() as connection:
            assert await timescale_table.drop_chunks(connection, day)

    async def keep(self, days: int) -> None:
        """What `telemetry retention --raw` does, and what is done before anything goes."""
        if self.engine.name == "native":
            await self.settle()
            return
        async with self.pool.acquire() as connection:
            await timescale_table.catch_up(connection, days)
            async with connection.transaction():
                await timescale_table.set_policies(connection, days, ROLLUP_DAYS)
                await _pause(connection, self.engine)


@pytest.fixture(scope="module")
def timescale_admin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A database of which a test may drop everything."""
    if GIVEN:
        yield GIVEN
        return
    with timescale(tmp_path_factory.mktemp("timescale")) as dsn:
        yield dsn


@pytest.fixture(scope="module")
def timescale_migrated(timescale_admin: str) -> str:
    servers.execute(timescale_admin, "create extension if not exists timescaledb")
    migrations.upgrade(timescale_admin)
    return timescale_admin


@pytest.fixture(params=["native", "timescale"])
def engine_dsn(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue("migrated_dsn" if request.param == "native" else "timescale_migrated"))


@pytest.fixture
async def subject(engine_dsn: str) -> AsyncIterator[Subject]:
    dsn = engine_dsn
    connection = await asyncpg.connect(dsn)
    await _empty(connection, await engine_of(connection))
    async with connection.transaction():  # so that no policy begins before it is paused
        engine = await prepare(connection, KEEP_DAYS)
        await _pause(connection, engine)
    await connection.close()
    pool = await make_pool(dsn, name="test", low=0, high=1)
    yield Subject(dsn, pool, engine, EngineRollups(pool))
    await pool.close()


async def _empty(connection: "asyncpg.Connection[asyncpg.Record]", engine: Engine) -> None:
    if engine.name == "timescale":
        await connection.execute("truncate telemetry.telemetry, telemetry.raw_gone")
        for table in ("rollup_1m", "rollup_1h", "rollup_1d"):
            await connection.execute(f"truncate telemetry.{table}")


async def _pause(connection: "asyncpg.Connection[asyncpg.Record]", engine: Engine) -> None:
    """What a policy refreshes between two lines of a test would be late from then on."""
    if engine.name == "timescale":
        await connection.execute(PAUSED)


def every(step: timedelta, count: int, start: datetime = START, metadata: str | None = None) -> list[Reading]:
    return [(device, start + n * step, float(n % 17), metadata) for device in DEVICES for n in range(count)]


async def agrees(it: Subject, start: datetime = START, end: datetime = NOW + HOUR, steps: Sequence[timedelta] = STEPS) -> None:
    for step in steps:
        assert await read(it.reads, DEVICES, start, end, step) == await expected(it.pool, start, end, step), step


async def test_the_engine_says_which_it_is(subject: Subject, request: pytest.FixtureRequest) -> None:
    assert subject.engine.name in request.node.name
    async with subject.pool.acquire() as connection:
        assert await engine_of(connection) == subject.engine
        assert await prepare(connection, KEEP_DAYS) == subject.engine, "it may be done again"


async def test_buckets_of_every_width(subject: Subject) -> None:
    await subject.write(*every(timedelta(minutes=37, seconds=11), 100))
    await agrees(subject)
    await subject.settle()
    await agrees(subject)
    low, high = START + timedelta(minutes=90, seconds=7), NOW - timedelta(hours=5, minutes=1, seconds=1)
    await agrees(subject, low, high)
    await agrees(subject, START + timedelta(seconds=1), START + timedelta(seconds=50))


async def test_late_and_repeated_readings(subject: Subject) -> None:
    await subject.write(*every(HOUR, 30))
    await subject.settle()
    await subject.write(*every(HOUR, 10), *every(HOUR, 10, START + timedelta(minutes=10)))
    await subject.settle()
    await agrees(subject)
    found = await read(subject.reads, ["t-1"], START, START + HOUR, HOUR)
    assert found["t-1", "m", START][0] == 2


async def test_the_open_minute_is_there_at_once(subject: Subject) -> None:
    await subject.write(*every(timedelta(seconds=1), 5, NOW - timedelta(seconds=5)))
    await agrees(subject)


async def test_provenance_is_carried_and_null_and_what_cannot_be_summed_are_no_readings(subject: Subject) -> None:
    await subject.write(
        ("t-1", START, 1.0, None),
        ("t-1", START + MINUTE, 3.0, '{"source": "simulation"}'),
        ("t-1", START + 2 * MINUTE, None, '{"source": "manual"}'),
        ("t-1", START + 3 * MINUTE, 1.7e308, '{"source": "manual"}'),
        ("t-1", START + 4 * MINUTE, 1.7e308, '{"source": "manual"}'),
        ("t-2", START, 5.0, '{"source": "import", "quality": "out_of_range"}'),
    )
    for _ in range(2):
        found = await read(subject.reads, DEVICES, START, START + DAY, HOUR)
        assert found == {("t-1", "m", START): (2, 4, 1, 3, 1, 3, 0b11), ("t-2", "m", START): (1, 5, 5, 5, 5, 5, 0b1000)}
        together = await subject.reads.together(DEVICES, "m", START, START + DAY, HOUR)
        assert (list(together.counts), list(together.sums), list(together.sources)) == ([3], [9.0], [0b1011])
        await subject.settle()
    assert await subject.reads.together(DEVICES, "none", START, START + DAY, HOUR) == Buckets()


async def of_every_width(subject: Subject) -> list[Found]:
    """The first day in buckets of each width."""
    return [await read(subject.reads, DEVICES, START, START + DAY, step) for step in STEPS]


async def rolled_up_and_dropped(subject: Subject) -> list[Found]:
    """The first day's buckets, whose readings are gone afterwards."""
    await subject.write(*every(timedelta(minutes=7), 400))
    await subject.settle()
    before = await of_every_width(subject)
    await subject.keep(1)
    await subject.drop_before(START + DAY)
    return before


async def test_readings_that_retention_drops_keep_their_rollups(subject: Subject) -> None:
    before = await rolled_up_and_dropped(subject)
    assert await subject.pool.fetchval("select count(*) from telemetry.telemetry where timestamp < $1", START + DAY) == 0
    await subject.write(*every(timedelta(minutes=7), 10, START + DAY + timedelta(minutes=1)))
    await subject.settle()
    assert await of_every_width(subject) == before


async def test_rollups_of_readings_that_are_gone_stay_when_readings_are_kept_longer_from_then_on(subject: Subject) -> None:
    before = await rolled_up_and_dropped(subject)
    await subject.keep(KEEP_DAYS)
    await subject.settle()
    assert await of_every_width(subject) == before


async def test_late_readings_that_go_at_once_are_in_the_rollups(subject: Subject) -> None:
    await subject.write(*every(HOUR, 60))
    await subject.settle()
    await subject.write(*every(HOUR, 10, START + timedelta(minutes=10)))
    due = [await expected(subject.pool, START, START + DAY, step) for step in STEPS]
    await subject.keep(1)
    await subject.drop_before(START + DAY)
    await subject.settle()
    assert await of_every_width(subject) == due


async def test_a_turn_of_retention_goes_through(subject: Subject) -> None:
    await subject.write(*every(HOUR, 60))
    await subject.settle()
    months = Partitions(subject.pool, None, period=MINUTES)
    expiry = Expiry(subject.pool, subject.pool, Partitions(subject.pool, None), months, Roller(subject.pool, Marks(), months))
    await expiry.turn(Retention(KEEP_DAYS, shorter={"default": 1}))
    await agrees(subject)


async def test_only_partitions_let_an_organization_keep_less(subject: Subject) -> None:
    wanted = telemetry_retention.Wanted("default", {"raw": 5})
    async with subject.pool.acquire() as connection:
        then = telemetry_retention.changed(await telemetry_retention.current(connection, KEEP_DAYS), wanted)
        if subject.engine.name == "native":
            await telemetry_retention.put(connection, wanted, then)
        else:
            with pytest.raises(InvalidInput, match="TimescaleDB keeps the readings of all organizations equally long"):
                await telemetry_retention.put(connection, wanted, then)
        found = await telemetry_retention.current(connection, KEEP_DAYS)
    assert found.shorter == ({"default": 5} if subject.engine.name == "native" else {})


async def test_what_would_go_is_told(subject: Subject) -> None:
    await subject.write(*every(HOUR, 60))
    await subject.settle()
    async with subject.pool.acquire() as connection:
        if subject.engine.name == "timescale":
            await connection.execute("select compress_chunk(c) from show_chunks('telemetry.telemetry') c")
        levels = {Level.MINUTE: 1, Level.HOUR: None, Level.DAY: None}
        found = await expiring(connection, subject.engine.name, Retention(1, levels), {}, NOW.timestamp())
    raw = [one for one in found if one.what == "raw"]
    assert [(one.start, one.end) for one in raw] == [(START, START + DAY)]
    assert raw[0].bytes
    assert raw[0].bytes > (40_000 if subject.engine.name == "timescale" else 8192), "also what is in the columnstore"


async def test_the_writer_writes_into_both(subject: Subject) -> None:
    if subject.engine.name == "timescale" and not GIVEN:
        pytest.skip("TimescaleDB in WebAssembly crashes on COPY: IOTSPHERE_TEST_TIMESCALE_DSN names a server that does not")
    rows = Rows()
    for device, moment, value, _ in every(timedelta(minutes=7), 400):
        rows.add(
            [(device, moment_of(round(moment.timestamp() * 1e6)), "m", value or 0.0, None)],
            delivery(b"", device=thermometer(device)),
        )
    days = {RAW.number((START + n * DAY).date()) for n in range(3)}
    partitions = Partitions(subject.pool, KEEP_DAYS)
    store = Store(subject.dsn, partitions, IngestMetrics())
    await store.store(Batch(fresh=rows, days=days))
    await store.store(Batch(doubtful=rows, days=days))
    await store.close()
    assert await subject.pool.fetchval("select count(*) from telemetry.telemetry") == 800
    await agrees(subject)


@pytest.mark.skipif(not GIVEN, reason="needs COPY and a second database: IOTSPHERE_TEST_TIMESCALE_DSN")
async def test_a_backup_of_timescale_is_restored(timescale_migrated: str, tmp_path: Path) -> None:
    connection = await asyncpg.connect(timescale_migrated)
    await prepare(connection, KEEP_DAYS)
    await connection.execute("insert into telemetry.telemetry values ('r-1', $1, 'm', 1, null) on conflict do nothing", START)
    rows = await connection.fetchval("select count(*) from telemetry.telemetry")
    dump, tools = tmp_path / "dump", backup.client_tools()
    await asyncio.to_thread(backup.run_tool, [str(tools / "pg_dump"), "--format=custom", f"--file={dump}"], timescale_migrated)
    await connection.execute("drop database if exists iotsphere_restored")
    await connection.execute("create database iotsphere_restored template template0")
    target = servers.with_database(timescale_migrated, "iotsphere_restored")
    try:
        await restore.fill(target, tools, dump)
        restored = await asyncpg.connect(target)
        assert (await engine_of(restored)).name == "timescale"
        assert await restored.fetchval("select count(*) from telemetry.telemetry") == rows
        await timescale_table.refresh(restored)
        assert await restored.fetchval("select count(*) from telemetry.rollup_1d where device_id = 'r-1'") == 1
        await restored.close()
    finally:
        await connection.execute("drop database iotsphere_restored with (force)")
        await connection.close()
