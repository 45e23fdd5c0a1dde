"""The writer alone: against COPY of the same rows, with repeated messages, over many rows, and how soon rollups know."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from statistics import median

import httpx

from ingest.batch import POSTGRES_EPOCH_US, Batch, Row, unix_us
from ingest.metrics import IngestMetrics
from ingest.packing import Packer
from ingest.partitions import Partitions
from ingest.periods import MINUTES
from ingest.roller import Roller
from ingest.rollup_marks import Marks
from ingest.store import CONNECTIONS, Store
from iotsphere.infra.postgres import Pool, make_pool
from tests.bench.baseline import ROWS_A_COMMIT, copy_rate
from tests.bench.figures import percentile
from tests.bench.probe import Probe
from tests.bench.rows import POINTS, Fleet
from tests.bench.stage import Stage

SCALE = float(os.environ.get("BENCH_SCALE", "1"))  # of the sizes here and in history.py: less proves only that they work
ROUNDS = 5
ROUND_ROWS = 300_000
SUSTAINED_ROWS = 20_000_000
TENTHS = 10
MESSAGES = ROWS_A_COMMIT // POINTS  # a commit
DEVICES = 200
APART_US = 1_000_000
AFTER_ALL_S = 2 * 86_400.0  # by then every day of the rows has ended
LAG_RATE = 50_000  # points a second
LAG_S = 30.0
PROBE_S = 0.25
_SIZES = """
select sum(pg_total_relation_size(inhrelid))::bigint from pg_inherits where inhparent = $1::regclass
"""


class Writer:
    """The writer as `edge` has it, in this process."""

    def __init__(self, dsn: str, pool: Pool) -> None:
        marks = Marks()
        self.store = Store(dsn, Partitions(pool, None), IngestMetrics(), marks)
        self.roller = Roller(pool, marks, Partitions(pool, None, period=MINUTES))

    async def write(self, batches: Iterator[Batch]) -> int:
        """Commit batches, as many at a time as the writer has connections; how many rows."""
        return sum(await asyncio.gather(*(self._worker(batches) for _ in range(CONNECTIONS))))

    async def _worker(self, batches: Iterator[Batch]) -> int:
        rows = 0
        for batch in batches:
            await self.store.store(batch)
            rows += len(batch.fresh) + len(batch.doubtful)
        return rows


class StorePart:
    """The part `store`."""

    def __init__(self, the: Stage) -> None:
        self._the = the

    async def run(self) -> None:
        """All of it."""
        async with _writer(self._the.platform.dsn) as (writer, pool):
            await self._against_copy(writer)
            await self._sustained(writer, pool)
            await self._lag(writer)
        await self._the.empty()

    async def _against_copy(self, writer: Writer) -> None:
        figures = self._the.figures
        found: dict[str, list[float]] = {"copy": [], "duplicate_1pct": [], "duplicate_10pct": []}
        for number in range(ROUNDS):
            figures.say(f"store: writer and COPY in turn, round {number + 1} of {ROUNDS} …")
            for name, share in (("copy", 0.0), ("duplicate_1pct", 0.01), ("duplicate_10pct", 0.1)):
                fleet = self._fleet()
                batches = list(fleet.batches(int(ROUND_ROWS * SCALE) // POINTS, MESSAGES, share))
                yardstick = _plain([row for batch in batches for row in batch.fresh.rows])
                await self._the.empty()
                copied = await copy_rate(self._the.platform.dsn, yardstick, tuned=False)
                await self._the.empty()
                began = time.perf_counter()
                rows = await writer.write(iter(batches))
                found[name].append(rows / (time.perf_counter() - began) / copied)
                figures.check(await self._the.stored() == len(yardstick), f"{name}: not every row is stored once")
        for name, ratios in found.items():
            figures.add(f"store.{name}_ratio", median(ratios))

    async def _sustained(self, writer: Writer, pool: Pool) -> None:
        figures, rates = self._the.figures, []
        messages = int(SUSTAINED_ROWS * SCALE) // POINTS
        figures.say(f"store: {messages * POINTS:,} rows in a row …")
        await self._the.empty()
        batches = self._fleet(messages).batches(messages, MESSAGES)
        for _ in range(TENTHS):
            began = time.perf_counter()
            rows = await writer.write(_some(batches, max(1, messages // MESSAGES // TENTHS)))
            rates.append(rows / (time.perf_counter() - began))
        await writer.write(batches)
        stored = await self._the.stored()
        figures.check(stored == messages * POINTS, f"{stored:,} of {messages * POINTS:,} rows are stored")
        figures.add("store.rows_per_s", sum(rates) / len(rates))
        figures.add("store.last_tenth_ratio", rates[-1] / rates[0])
        await writer.roller.settle()
        unpacked = await pool.fetchval(_SIZES, "telemetry.telemetry")
        figures.add("store.bytes_per_point_unpacked", unpacked / stored)
        rolled = await pool.fetchval(_SIZES, "telemetry.rollup_1m")
        for table in ("rollup_1h", "rollup_1d"):
            rolled += await pool.fetchval("select pg_total_relation_size($1::regclass)", f"telemetry.{table}")
        figures.add("store.rollup_bytes_per_point", rolled / stored)
        figures.say("store: the days end and are packed …")
        await Packer(self._the.platform.dsn, None, IngestMetrics(), lambda: time.time() + AFTER_ALL_S).turn()
        packed = await pool.fetchval(_SIZES, "telemetry.telemetry")
        figures.check(packed < unpacked, "no day was packed")
        figures.add("store.bytes_per_point", packed / stored)

    async def _lag(self, writer: Writer) -> None:
        figures, lags = self._the.figures, []
        figures.say(f"store: {LAG_RATE:,} points a second, while somebody asks for rollups …")
        await self._the.empty()
        writer.roller.start()
        seconds = max(2.0, LAG_S * SCALE)
        messages = int(LAG_RATE * seconds) // POINTS
        fleet = Fleet([f"bench-{n}" for n in range(DEVICES)], int(time.time() * 1e6) - 3600 * 1_000_000, 20_000)
        load = asyncio.create_task(_paced(writer, fleet.batches(messages, MESSAGES)), name="bench load")
        headers = {"Authorization": f"Bearer {self._the.token}"}
        async with httpx.AsyncClient(base_url=self._the.platform.http, headers=headers, timeout=30) as client:
            probe = Probe(writer.store, client, self._the.devices[0])
            while not load.done():
                lags.append(await probe.lag())
                await asyncio.sleep(PROBE_S)
        late = await load
        figures.check(late < 1.0, f"the load was {late:.1f} s behind its pace")
        figures.add("rollup.lag_p99_s", percentile(lags, 0.99))

    def _fleet(self, messages: int = 0) -> Fleet:
        first = self._the.moment_ms() * 1000 - messages // DEVICES * APART_US
        return Fleet([f"bench-{number}" for number in range(DEVICES)], first, APART_US)


@asynccontextmanager
async def _writer(dsn: str) -> AsyncIterator[tuple[Writer, Pool]]:
    pool = await make_pool(dsn, name="bench", high=4)
    writer = Writer(dsn, pool)
    yield writer, pool
    await writer.roller.stop()
    await writer.store.close()
    await pool.close()


def _some(batches: Iterator[Batch], count: int) -> Iterator[Batch]:
    for _, batch in zip(range(count), batches, strict=False):
        yield batch


async def _paced(writer: Writer, batches: Iterator[Batch]) -> float:
    """Commit a batch whenever it is due; how far the last one was behind (s)."""
    began, rows, behind = time.perf_counter(), 0, 0.0
    for batch in batches:
        behind = time.perf_counter() - began - rows / LAG_RATE
        if behind < 0:
            await asyncio.sleep(-behind)
        await writer.store.store(batch)
        rows += len(batch.fresh)
    return max(behind, 0.0)


def _plain(rows: Sequence[Row]) -> list[tuple[str, datetime, str, float, None]]:
    """The same rows as anybody would give them to the driver."""
    epoch = datetime.fromtimestamp(POSTGRES_EPOCH_US / 1e6, UTC)
    return [
        (device, epoch + timedelta(microseconds=unix_us(moment) - POSTGRES_EPOCH_US), name, value, None)
        for device, moment, name, value, _ in rows
    ]
