"""Many devices put together, and the door to it all."""

from datetime import UTC, datetime, timedelta

import pytest
import redis.asyncio

from ingest.history import History
from ingest.latest import LatestStore
from ingest.partitions import Partitions
from ingest.periods import MINUTES
from ingest.roller import Roller
from ingest.rollup_marks import Marks
from ingest.rollup_table import mark_stretch
from ingest.rollups import HOUR, MINUTE, Buckets
from iotsphere.errors import StoreUnavailable
from iotsphere.infra.postgres import Pool

pytestmark = pytest.mark.integration
END = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
START = END - timedelta(hours=4)


@pytest.fixture
async def history(pool: Pool) -> History:
    """Devices 1 … 3 with a reading a minute: their number."""
    await Partitions(pool, 30).load()
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(
            """insert into telemetry.telemetry
            select 'd-' || d, ts, m, d, case d when 3 then '{"source": "import"}'::jsonb end
            from generate_series($1::timestamptz, $2, interval '1 min') ts, generate_series(1, 3) d, unnest(array['a', 'b']) m""",
            START,
            END - MINUTE,
        )
        await mark_stretch(connection, START, END)
    return History(pool, LatestStore(redis.asyncio.Redis(), pool))


@pytest.mark.parametrize("drained", [False, True])
async def test_devices_put_together(pool: Pool, history: History, drained: bool) -> None:
    if drained:
        assert await Roller(pool, Marks(), Partitions(pool, None, period=MINUTES)).settle()
    found = await history.together(["d-1", "d-3"], "a", START, END, HOUR)
    assert (list(found.counts), list(found.averages)) == ([120] * 4, [2.0] * 4)
    assert (list(found.lows), list(found.highs), list(found.sources)) == ([1.0] * 4, [3.0] * 4, [0b1001] * 4)
    assert found.moments[1] - found.moments[0] == 3_600_000_000
    part = await history.together(["d-1", "d-3"], "a", START + timedelta(minutes=30), START + timedelta(minutes=31), HOUR)
    assert (list(part.counts), list(part.moments)) == ([2], [found.moments[0]])
    assert await history.together([], "a", START, END, HOUR) == Buckets()


async def test_only_what_is_asked_for(history: History) -> None:
    found = await history.rollups(["d-1", "none"], ["b"], START, END, HOUR)
    assert found.keys() == {"d-1", "none"}
    assert found["d-1"].keys() == {"b"}
    assert found["none"] == {}


async def test_an_absent_postgresql_is_told_as_ours(pool: Pool, history: History) -> None:
    await pool.close()
    with pytest.raises(StoreUnavailable):
        await history.rollups(["d-1"], None, START, END, HOUR)
    with pytest.raises(StoreUnavailable):
        await history.together(["d-1"], "a", START, END, HOUR)
