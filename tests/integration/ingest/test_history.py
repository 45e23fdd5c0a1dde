"""Histories and averages from a real PostgreSQL."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis.asyncio

from ingest.charts import RAW_READS, Charts, Question
from ingest.history import MEASUREMENTS, History, Series
from ingest.latest import LatestStore
from ingest.partitions import Partitions
from ingest.resolution import RAW
from iotsphere.errors import StoreUnavailable
from iotsphere.infra.postgres import Pool

pytestmark = pytest.mark.integration
DAYS = 3


@pytest.fixture
async def start(pool: Pool) -> datetime:
    """Midnight three days ago: then a reading a minute with a gap on the second day, and one peak."""
    partitions = Partitions(pool, 30)
    await partitions.load()
    begin = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=DAYS)
    today = int(begin.timestamp() // 86_400)
    await partitions.ensure(range(today, today + DAYS + 1))
    await pool.execute(
        """
        insert into telemetry.telemetry
        select 'd-' || d, ts, m,
            case when d = 1 and m = 'a' and ts = $1 + interval '700 min' then 999
            when d = 1 then extract(minute from ts) else d end, null
        from generate_series($1::timestamptz, $1 + interval '3 days' - interval '1 min', interval '1 min') ts,
             generate_series(1, 3) d, unnest(array['a', 'b']) m
        where date_trunc('day', ts) <> date_trunc('day', $1::timestamptz + interval '1 day')
        """,
        begin,
    )
    return begin


def history(pool: Pool, page: int = 400_000) -> History:
    return History(pool, LatestStore(redis.asyncio.Redis(), pool), page=page)


def ms(moment: datetime) -> float:
    return moment.timestamp() * 1000


async def test_the_start_is_in_and_the_end_is_not(pool: Pool, start: datetime) -> None:
    found = await history(pool).history("d-2", start, start + timedelta(minutes=3), None, 100)
    assert list(found.ts) == [ms(start + timedelta(minutes=n)) for n in range(3)]
    assert found.values == {"a": [2.0] * 3, "b": [2.0] * 3}
    assert found.downsampled is False


async def test_only_what_is_asked_for(pool: Pool, start: datetime) -> None:
    found = await history(pool).history("d-2", start, start + timedelta(minutes=3), ["b", "none"], 100)
    assert found.values.keys() == {"b"}
    empty = await history(pool).history("nobody", start, start + timedelta(days=3), None, 100)
    assert (list(empty.ts), empty.values, empty.downsampled) == ([], {}, False)


async def test_columns_have_holes_where_a_measurement_is_missing(pool: Pool, start: datetime) -> None:
    await pool.execute("insert into telemetry.telemetry values ('d-2', $1, 'c', 7, null)", start + timedelta(seconds=30))
    found = await history(pool).history("d-2", start, start + timedelta(minutes=2), ["a", "c"], 100)
    assert found.values == {"a": [2.0, None, 2.0], "c": [None, 7.0, None]}


@pytest.mark.parametrize("size", [400_000, 1001])
async def test_thinning_keeps_peaks_and_gaps_whatever_the_pages(pool: Pool, start: datetime, size: int) -> None:
    read = history(pool, size)
    for _ in range(7):  # a prepared statement changes its plan at the sixth time
        found = await read.history("d-1", start, start + timedelta(days=3), None, 100)
        points = dict(zip(found.ts, found.values["a"], strict=True))
        assert found.downsampled is True
        assert all(50 < sum(v is not None for v in column) <= 100 for column in found.values.values())
        assert list(found.ts) == sorted(found.ts)
        assert points[ms(start + timedelta(minutes=700))] == 999
        assert not [ts for ts in found.ts if ms(start + timedelta(days=1)) <= ts < ms(start + timedelta(days=2))]


async def test_pages_lose_and_repeat_nothing(pool: Pool, start: datetime) -> None:
    whole = await history(pool).history("d-3", start, start + timedelta(days=1), None, 10_000)
    assert len(whole.ts) == 1440
    hour = start + timedelta(hours=1)
    expected = await history(pool).history("d-3", start, hour, None, 10_000)
    for size in (2, 3, 7, 100):
        assert await history(pool, size).history("d-3", start, hour, None, 10_000) == expected
    assert await history(pool, 2880).history("d-3", start, start + timedelta(days=1), None, 10_000) == whole


@pytest.mark.parametrize("size", [400_000, 333])
async def test_a_history_of_all_has_a_bounded_number_of_measurements(pool: Pool, start: datetime, size: int) -> None:
    await pool.execute(
        "insert into telemetry.telemetry select 'd-9', $1::timestamptz + make_interval(secs => n / 250), "
        "'m' || to_char(n % 250, 'fm000'), n, null from generate_series(0, 999) n",
        start,
    )
    end = start + timedelta(minutes=1)
    found = await history(pool, size).history("d-9", start, end, None, 100, first=["m249", "m200", "none"])
    assert set(found.values) == {"m249", "m200"} | {f"m{n:03}" for n in range(MEASUREMENTS - 2)}
    assert list(found.values["m249"]) == [249, 499, 749, 999]
    assert found.downsampled is False
    chosen = await history(pool, size).history("d-9", start, end, [f"m{n:03}" for n in range(100, 230)], 100)
    assert len(chosen.values) == 130, "whoever names them gets them"


async def test_a_history_of_all_has_a_bounded_number_of_cells(
    pool: Pool, start: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    await pool.execute(
        "insert into telemetry.telemetry select 'd-9', $1::timestamptz + make_interval(secs => n), 'm' || n % 50, n, null "
        "from generate_series(0, 4999) n",
        start,
    )
    monkeypatch.setattr("ingest.history.CELLS", 50_000)
    found = await history(pool).history("d-9", start, start + timedelta(hours=2), None, 1000)
    assert 10_000 < sum(map(len, found.values.values())) <= 50_000
    assert found.downsampled is True


async def test_readings_are_counted_up_to_a_bound(pool: Pool, start: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.history.RAW_READINGS", 4)
    end, read = start + timedelta(minutes=10), history(pool)
    assert await read.count("d-2", start, start + timedelta(seconds=180), ["a"]) <= 5
    assert await read.count("d-2", start, end, None) == 5
    assert await read.count("nobody", start, end, None) == 0


async def test_an_absent_postgresql_is_told_as_ours(pool: Pool, start: datetime) -> None:
    await pool.close()
    with pytest.raises(StoreUnavailable):
        await history(pool).history("d-1", start, start + timedelta(days=1), None, 10)
    with pytest.raises(StoreUnavailable):
        await history(pool).count("d-1", start, start + timedelta(days=1), None)


async def test_the_last_twenty_distances_tell_how_often_a_device_reports(pool: Pool, start: datetime) -> None:
    await pool.execute(
        "insert into telemetry.telemetry select 'slow', $1::timestamptz + interval '7 min' * n, m, n, null"
        " from generate_series(0, 9) n, unnest(array['a', 'b', 'c']) m",
        start,
    )
    await pool.execute("insert into telemetry.telemetry values ('once', $1, 'a', 1, null), ('once', $1, 'b', 1, null)", start)
    await pool.execute(  # the newest twenty count: it has become faster
        "insert into telemetry.telemetry select 'd-2', $1::timestamptz + interval '3 days' + interval '2 s' * n, 'a', n, null"
        " from generate_series(1, 21) n",
        start,
    )
    devices = dict.fromkeys(["slow", "once", "never", "d-1", "d-2"])
    assert await history(pool).median_gaps_s(devices) == {"slow": 420.0, "d-1": 60.0, "d-2": 2.0}


async def test_distances_count_since_a_device_is_its_present_owners(pool: Pool, start: datetime) -> None:
    await pool.execute(
        "insert into telemetry.telemetry"
        " select 'sold', $1::timestamptz + interval '1 s' * greatest(n, 50 + (n - 50) * 30), 'a', n, null"
        " from generate_series(1, 55) n",
        start,
    )
    sold = start + timedelta(seconds=60)
    for since, expected in ((None, 1.0), (sold, 30.0), (sold + timedelta(seconds=120), None)):
        assert (await history(pool).median_gaps_s({"sold": since})).get("sold") == expected


class Watched(History):
    """Counts how many histories are read at once."""

    now = most = 0

    async def history(self, *arguments: Any, **more: Any) -> Series:
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            return await super().history(*arguments, **more)
        finally:
            self.now -= 1


async def test_few_long_stretches_are_read_reading_by_reading_at_once(pool: Pool, start: datetime) -> None:
    history = Watched(pool, LatestStore(redis.asyncio.Redis(), pool))
    asked = Question(start=start, end=start + timedelta(days=DAYS), measurements=["a"], max_points=100, step=RAW)
    charts = Charts(history)
    found = await asyncio.gather(*(charts.one("d-1", asked) for _ in range(6)))
    assert history.most == RAW_READS
    assert {len(chart.values["a"]) for chart in found} == {len(found[0].ts)}
