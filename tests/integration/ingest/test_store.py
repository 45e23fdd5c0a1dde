"""Rows that cannot be stored, and a server that goes away."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import asyncpg
import pytest
import structlog

from ingest import precedence
from ingest.batch import Batch, Row, Rows, letter, moment_of, unix_us
from ingest.metrics import IngestMetrics
from ingest.partitions import Partitions
from ingest.store import STAGING_BATCHES, Store
from iotsphere.infra.postgres import Connection, make_pool
from tests.support import servers
from tests.support.devices import delivery, thermometer
from tests.support.ingest import now_ms, running_ingest
from tests.support.waiting import until

pytestmark = pytest.mark.integration
DAY_MS = 86_400_000


@asynccontextmanager
async def store(dsn: str, metrics: IngestMetrics) -> AsyncIterator[tuple[Store, "asyncpg.Pool[asyncpg.Record]"]]:
    pool = await make_pool(dsn, name="test", high=3)
    partitions = Partitions(pool, 30)
    await partitions.load()
    made = Store(dsn, partitions, metrics)
    yield made, pool
    await made.close()
    await pool.close()


def batch(*values: tuple[str, object], doubtful: bool = False) -> Batch:
    """One message a value; what validation would have refused is let through."""
    ts = now_ms()
    rows = Rows()
    for name, value in values:
        row: Row = ("t-1", moment_of(ts * 1000), name, value, None)  # type: ignore[assignment]
        rows.add([row], delivery(name.encode(errors="replace"), device=thermometer()))
    return Batch(Rows() if doubtful else rows, rows if doubtful else Rows(), [], {ts // DAY_MS})


@pytest.mark.parametrize("doubtful", [False, True])
@pytest.mark.parametrize(("name", "value"), [("nul\0", 1.0), ("surrogate\ud800", 1.0), ("text", "warm"), ("huge", 10**400)])
async def test_a_row_that_cannot_be_stored_is_alone_in_the_dead_letters(
    migrated_dsn: str, doubtful: bool, name: str, value: object
) -> None:
    metrics = IngestMetrics()
    async with store(migrated_dsn, metrics) as (it, pool):
        good = [(f"m{n}", float(n)) for n in range(50)]
        made = batch(*good[:30], (name, value), *good[30:], doubtful=doubtful)
        made.letters.append(letter(delivery(b""), "odd\0", "validation", "nul \0 and half a pair \ud800"))
        outcome = await it.store(made)
        assert sum(map(len, outcome.rows)) == 50
        stored = await pool.fetch("select measurement, value from telemetry.telemetry")
        assert sorted((r["measurement"], r["value"]) for r in stored) == sorted(good)
        letters = await pool.fetch("select category, payload from telemetry.dead_letters order by category")
        assert [(r["category"], r["payload"]) for r in letters] == [("store", name.encode(errors="replace")), ("validation", b"")]
        assert metrics.split._value.get() <= 8
        await it.store(batch(("after", 1.0)))
        assert await pool.fetchval("select count(*) from telemetry.telemetry") == 51


async def test_after_a_violation_copy_is_tried_again_later(migrated_dsn: str) -> None:
    metrics = IngestMetrics()
    async with store(migrated_dsn, metrics) as (it, _):
        await it.store(batch(("a", 1.0)))
        await it.store(batch(("a", 1.0)))
        for n in range(STAGING_BATCHES + 5):
            await it.store(batch((f"b{n}", 1.0)))
        assert metrics.staged._value.get() == STAGING_BATCHES


@pytest.mark.slow
async def test_nothing_is_lost_when_postgresql_is_killed_in_the_middle_of_commits(
    own_postgres: servers.PostgresServer, valkey_url: str
) -> None:
    dsn = own_postgres.engine.admin_dsn
    start = now_ms() - 3_600_000
    committed: list[int] = []
    async with running_ingest(dsn, valkey_url) as it:
        running = True

        async def send(first: int) -> None:
            number = first
            while running:
                sent = [delivery({"ts": start + number + k * 2, "values": {"temperature": 1, "pulses": k}}) for k in range(50)]
                await it.pipeline.commit(sent)
                committed.extend(number + k * 2 for k in range(50))
                number += 100

        tasks = [asyncio.create_task(send(n)) for n in (0, 1)]
        for _ in range(3):
            await asyncio.sleep(0.4)
            before = len(committed)
            await asyncio.to_thread(own_postgres.kill)
            await asyncio.sleep(0.3)
            await asyncio.to_thread(own_postgres.restart_after_kill)
            async with asyncio.timeout(20):
                while len(committed) <= before + 200:  # noqa: ASYNC110 - what is awaited is progress
                    await asyncio.sleep(0.05)
        running = False
        await asyncio.wait_for(asyncio.gather(*tasks), 20)
        rows = await it.rows()
        assert rows.keys() == {(float(start + n), m) for n in committed for m in ("temperature", "pulses")}
        assert await it.letters() == [], "what was sent again is no conflict"


@pytest.mark.slow
async def test_a_start_without_postgresql_waits_for_it(own_postgres: servers.PostgresServer, valkey_url: str) -> None:
    dsn = own_postgres.engine.admin_dsn
    async with running_ingest(dsn, valkey_url) as it:
        await asyncio.to_thread(own_postgres.stop)
        waiting = asyncio.create_task(
            it.pipeline.commit([delivery({"boot": "b", "up": 1, "values": {"humidity": 1}}, received_at=now_ms())])
        )
        starting = asyncio.create_task(it.pipeline.start())
        await asyncio.sleep(0.5)
        assert not waiting.done()
        assert not starting.done()
        await asyncio.to_thread(own_postgres.start)
        await asyncio.wait_for(asyncio.gather(waiting, starting), 20)
        assert await it.count() == 1


@pytest.mark.slow
async def test_a_server_that_takes_no_writes_or_no_connections_is_waited_for_and_told_of_once(
    own_postgres: servers.PostgresServer, valkey_url: str
) -> None:
    dsn, start = own_postgres.engine.admin_dsn, now_ms()
    numbers = itertools.count()
    async with running_ingest(dsn, valkey_url) as it, AsyncExitStack() as stack:

        async def commit() -> None:
            await it.pipeline.commit([delivery({"ts": start + next(numbers), "values": {"temperature": 1}})])

        async def is_waited_for(mend: Callable[[], Awaitable[object]]) -> None:
            with structlog.testing.capture_logs() as logs:
                waiting = asyncio.create_task(commit())
                await asyncio.sleep(1.0)
                assert not waiting.done()
                await mend()
                await asyncio.wait_for(waiting, 20)
            told = [log["event"] for log in logs if log.get("what") == "telemetry"]
            assert told == ["the store is away, waiting for it", "the store is back"]

        await commit()
        admin = await asyncpg.connect(dsn)
        stack.push_async_callback(admin.close)
        # As after a failover to a standby that is not promoted yet.
        await admin.execute("alter system set default_transaction_read_only = on")
        await admin.execute("select pg_reload_conf()")
        await until(lambda: _is_read_only(admin))

        async def writable() -> None:
            await admin.execute("set default_transaction_read_only = off")
            await admin.execute("alter system reset default_transaction_read_only")
            await admin.execute("select pg_reload_conf()")

        await is_waited_for(writable)

        taken = []
        with suppress(asyncpg.TooManyConnectionsError):
            while True:
                taken.append(await asyncpg.connect(dsn))
        await admin.execute("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'iotsphere ingest'")
        with suppress(asyncpg.TooManyConnectionsError):
            while True:
                taken.append(await asyncpg.connect(dsn))

        async def leave() -> None:
            for connection in taken:
                connection.terminate()

        await is_waited_for(leave)
        assert await it.count() == next(numbers)


async def _is_read_only(connection: "asyncpg.Connection[asyncpg.Record]") -> bool:
    return bool(await connection.fetchval("select current_setting('default_transaction_read_only') = 'on'"))


@pytest.mark.slow
async def test_rows_of_an_earlier_batch_are_not_added_before_it_is_through(
    migrated_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precedence, "LONGEST_WAIT", 60.0)
    metrics, names = IngestMetrics(), ("a", "b", "c")
    async with store(migrated_dsn, metrics) as (it, pool), pool.acquire() as outside:
        rows = batch(*((name, 1.0) for name in names)).fresh
        held = outside.transaction()
        await held.start()
        await _hold(outside, rows.rows[0])
        earlier = asyncio.create_task(it.store(Batch(rows, days=_today())))
        await until(lambda: _count(pool, "wait_event_type = 'Lock'"))
        later = asyncio.create_task(it.store(Batch(batch(("d", 1.0)).fresh, rows.pick([2, 1]), days=_today())))
        waits = "state = 'idle in transaction' and now() - state_change > interval '0.1 s'"
        await until(lambda: later.done() or _count(pool, waits))
        assert not later.done()
        await held.rollback()
        await asyncio.gather(earlier, later)
        assert await pool.fetchval("select count(*) from telemetry.telemetry") == 4
        assert metrics.staged._value.get() == 0, "the earlier one was not refused"


async def test_batches_that_wait_for_each_other_go_on(migrated_dsn: str) -> None:
    async with store(migrated_dsn, IngestMetrics()) as (it, pool), pool.acquire() as outside:
        rows = batch(*((name, 1.0) for name in ("a", "b", "c"))).fresh
        held = outside.transaction()
        await held.start()
        await _hold(outside, rows.rows[0])
        earlier = asyncio.create_task(it.store(Batch(rows, days=_today())))
        await until(lambda: _count(pool, "wait_event_type = 'Lock'"))
        later = asyncio.create_task(it.store(Batch(rows.pick([1]), rows.pick([2]), days=_today())))
        await until(lambda: _count(pool, "state = 'idle in transaction'"))
        await held.rollback()
        async with asyncio.timeout(20):
            await asyncio.gather(earlier, later)
        assert await pool.fetchval("select count(*) from telemetry.telemetry") == 3


def _today() -> set[int]:
    return {now_ms() // DAY_MS}


async def _hold(connection: Connection, row: Row) -> None:
    """Insert a row, uncommitted: whoever writes it too waits."""
    await connection.execute(
        "insert into telemetry.telemetry values ($1, to_timestamp($2::float8 / 1e6), $3, 0)", row[0], unix_us(row[1]), row[2]
    )


async def _count(pool: "asyncpg.Pool[asyncpg.Record]", condition: str) -> int:
    """Connections of the writer of which this is true."""
    query = "select count(*) from pg_stat_activity where application_name = 'iotsphere ingest' and datname = current_database()"
    return int(await pool.fetchval(f"{query} and {condition}"))
