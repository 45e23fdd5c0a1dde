"""Daily partitions in a real PostgreSQL."""

import asyncio
import time
from datetime import date, timedelta

import pytest

from ingest.partitions import Partitions
from ingest.periods import RAW
from iotsphere.infra.postgres import Pool

pytestmark = pytest.mark.integration
TODAY = int(time.time() // 86_400)


async def days(pool: Pool) -> set[int]:
    rows = await pool.fetch(
        "select inhrelid::regclass::text as name from pg_inherits where inhparent = 'telemetry.telemetry'::regclass"
    )
    return {day for row in rows if (day := RAW.named(row["name"].split(".")[1])) is not None}


def calendar(day: int) -> date:
    return date(1970, 1, 1) + timedelta(days=day)


async def test_the_days_around_today_exist_beforehand_and_tomorrow_one_more(pool: Pool) -> None:
    now = float(TODAY * 86_400)
    partitions = Partitions(pool, 30, lambda: now)
    await partitions.load()
    assert await days(pool) == set(range(TODAY - RAW.behind, TODAY + RAW.ahead + 1))
    now += 86_400
    await partitions.make_ahead()
    assert max(await days(pool)) == TODAY + RAW.ahead + 1


async def test_several_processes_make_the_same_days_at_once(pool: Pool) -> None:
    await asyncio.gather(*(Partitions(pool, 30).load() for _ in range(4)))
    assert len(await days(pool)) == RAW.behind + 1 + RAW.ahead
    key = await pool.fetchval(
        "select pg_get_indexdef(indexrelid) from pg_index where indrelid = to_regclass('telemetry.' || $1) and indisprimary",
        RAW.name(TODAY),
    )
    assert '(device_id, "timestamp", measurement) INCLUDE (value)' in key


async def test_a_reading_takes_no_padding_and_days_of_both_orders_are_one_table(pool: Pool) -> None:
    partitions = Partitions(pool, 30)
    await partitions.ensure([TODAY])
    table, low, high = f"telemetry.{RAW.name(TODAY - 1)}", RAW.start(TODAY - 1), RAW.start(TODAY)
    await pool.execute(f"create table {table} (like telemetry.telemetry)")  # as they were made once
    await pool.execute(f"alter table telemetry.telemetry attach partition {table} for values from ('{low}+00') to ('{high}+00')")
    insert = "insert into telemetry.telemetry values ('bench-100', to_timestamp($1), 'm0', 1.5, null)"
    for day in (TODAY - 1, TODAY):
        await pool.execute(insert, day * 86_400)
    rows = await pool.fetch("select * from telemetry.telemetry order by timestamp")
    assert [tuple(row)[2:] for row in rows] == [("m0", 1.5, None)] * 2
    sizes = [await pool.fetchval(f"select pg_column_size(t) from telemetry.{RAW.name(day)} t") for day in (TODAY - 1, TODAY)]
    assert [(size + 7) // 8 * 8 for size in sizes] == [64, 56]


async def test_a_partition_holds_its_day_in_utc_to_the_microsecond(pool: Pool) -> None:
    await Partitions(pool, 30).load()
    for micros in (0, 86_400_000_000 - 1):
        place = await pool.fetchval(
            "insert into telemetry.telemetry values ('d', to_timestamp($1) + make_interval(secs => $2), 'm', 1, null) "
            "returning tableoid::regclass::text",
            TODAY * 86_400,
            micros / 1e6,
        )
        assert place == f"telemetry.{RAW.name(TODAY)}"


async def test_days_beyond_retention_are_dropped_and_others_kept(pool: Pool) -> None:
    partitions = Partitions(pool, 30, lambda: TODAY * 86_400 + 43_200.0)  # midnight may pass meanwhile
    await partitions.load()
    await partitions.ensure([TODAY - 40, TODAY - 32, TODAY - 31, TODAY - 30])
    assert await partitions.drop_expired() == [calendar(TODAY - 40), calendar(TODAY - 32)]
    assert {TODAY - 31, TODAY - 30, TODAY} <= await days(pool)
    assert not {TODAY - 40, TODAY - 32} & await days(pool)
    await partitions.ensure([TODAY - 40])
    assert await partitions.drop_expired() == [calendar(TODAY - 40)]
