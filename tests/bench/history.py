"""Charts through REST: 30 days of 100 devices with five measurements a minute, once more over a TimescaleDB that is given."""

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import httpx

from ingest import rollup_table
from ingest.partitions import Partitions
from ingest.periods import MINUTES, RAW
from ingest.roller import Roller
from ingest.rollup_marks import Marks
from ingest.rollups import DAY
from iotsphere.infra.postgres import Pool, make_pool
from tests.bench import timescale
from tests.bench.figures import percentile
from tests.bench.stage import POINTS, Stage
from tests.bench.store import SCALE

DAYS = 30
DEVICES = 100
STEP = timedelta(minutes=1)
SAMPLES = 300
WARM = 20
COPY_SECONDS = 120.0
COLUMNS = ("device_id", "timestamp", "measurement", "value")
_SETTLED = "select not exists (select from telemetry.rollup_dirty where level < 2)"
_TABLES = [f"telemetry.{name}" for name in ("telemetry", "rollup_1m", "rollup_1h", "rollup_1d", "rollup_dirty")]


class HistoryPart:
    """The part `history`."""

    def __init__(self, the: Stage) -> None:
        self._the = the

    async def run(self) -> None:
        """Measure the store that the platform has, and TimescaleDB where it is given."""
        await _Charts(self._the, "history.", "").run()
        if timescale.GIVEN:
            async with timescale.beside(self._the) as other:
                await _Charts(other, "history.timescale_", await timescale.version(other.connection)).run()


class _Charts:
    """One store.

    Args:
        area: what the figures' names begin with.
        timescale: its version; "" for the native engine.
    """

    def __init__(self, the: Stage, area: str, timescale: str) -> None:
        self._the, self._area, self._timescale = the, area, timescale
        self._end = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
        self._days = max(2, round(DAYS * SCALE))
        self._names = [reading.key for reading in the.readings]

    async def run(self) -> None:
        """Lay the readings down, have the rollups made, and ask."""
        the = self._the
        await the.empty()
        pool = await make_pool(the.platform.telemetry_dsn, name="bench", high=4)
        began = time.monotonic()
        await self._preload(pool)
        the.figures.add(f"{self._area}preload_s", time.monotonic() - began)
        await self._ask_all()
        await pool.close()
        await the.empty()

    async def _preload(self, pool: Pool) -> None:
        """COPY day by day; the roller goes along."""
        rows = self._days * 1440 * DEVICES * POINTS
        self._the.figures.say(f"history: {rows:,} readings of {DEVICES} devices are laid down …")
        partitions = Partitions(pool, None)
        start = self._end - self._days * DAY
        await partitions.ensure(RAW.number((start + n * DAY).date()) for n in range(self._days + 1))
        roller = Roller(pool, Marks(), Partitions(pool, None, period=MINUTES))
        copying = asyncio.create_task(self._copy(pool, start), name="bench copy")
        while not copying.done():
            await asyncio.wait({copying}, timeout=1)
            await roller.settle(self._end)
        await copying
        await roller.settle(self._end)
        tables = await timescale.reorganize(pool) if self._timescale else _TABLES
        for table in tables:
            await pool.execute(f"vacuum analyze {table}", timeout=300)
        await pool.execute("checkpoint", timeout=300)  # else it writes this to the disk while questions are asked
        self._the.figures.check(await self._the.stored() == rows, "not every reading was laid down")
        self._the.figures.check(bool(await pool.fetchval(_SETTLED)), "the rollups are not up to date")

    async def _copy(self, pool: Pool, start: datetime) -> None:
        for day in range(self._days):
            first = start + day * DAY
            records = await asyncio.to_thread(self._records, first)
            async with pool.acquire() as connection, connection.transaction():
                await connection.copy_records_to_table(
                    "telemetry", schema_name="telemetry", records=records, columns=COLUMNS, timeout=COPY_SECONDS
                )
                await rollup_table.mark_stretch(connection, first, first + DAY)

    def _records(self, first: datetime) -> list[tuple[str, datetime, str, float]]:
        moments = [first + n * STEP for n in range(int(DAY / STEP))]
        devices = self._the.devices[:DEVICES]
        return [
            (device, moment, name, float((n + place) % 100))
            for place, device in enumerate(devices)
            for n, moment in enumerate(moments)
            for name in self._names
        ]

    async def _ask_all(self) -> None:
        one, five = self._names[0], ",".join(self._names)
        month = self._days * 24
        questions: dict[str, tuple[Callable[[str], str], int]] = {
            "day": (lambda d: self._path(d, 1, measurements=one, resolution="raw", max_points=1500), 1440),
            "day5": (lambda d: self._path(d, 1, measurements=five, max_points=500), 1),
            "month": (lambda d: self._path(d, self._days, measurements=one, resolution="1h"), month),
            "latest": (lambda d: f"/api/v1/telemetry/{d}/latest", 0),
            "fleet_average": (lambda _: self._average(one), 0),
        }
        headers = {"Authorization": f"Bearer {self._the.token}"}
        rows = []
        async with httpx.AsyncClient(base_url=self._the.platform.http, headers=headers, timeout=30) as client:
            for name, (path, points) in questions.items():
                if name == "latest":  # COPY told Valkey nothing, as ingest would have done
                    first = await self._ask(client, path, points, warm=0, samples=DEVICES)
                    self._the.figures.add(f"{self._area}latest_first_p99_ms", percentile(first, 0.99))
                times = await self._ask(client, path, points)
                self._the.figures.add(f"{self._area}{name}_p99_ms", percentile(times, 0.99))
                rows.append((name, percentile(times, 0.5), percentile(times, 0.99), max(times)))
        title = f"Histories by REST{f', TimescaleDB {self._timescale}' if self._timescale else ''}, ms"
        self._the.figures.table(title, ("question", "p50", "p99", "max"), rows)

    async def _ask(
        self, client: httpx.AsyncClient, path: Callable[[str], str], points: int, warm: int = WARM, samples: int = SAMPLES
    ) -> Sequence[float]:
        """Milliseconds of each of so many answers, over all devices in turn."""
        times = []
        for number in range(warm + samples):
            began = time.perf_counter()
            answer = await client.get(path(self._the.devices[number % DEVICES]))
            times.append((time.perf_counter() - began) * 1000)
            body = answer.json() if answer.status_code == 200 else {}
            found = len(body.get("columns", {}).get("ts", ()))
            self._the.figures.check(answer.status_code == 200 and found >= points, f"{answer.url.path}: {answer.text[:200]}")
        return times[warm:]

    def _path(self, device: str, days: int, **query: object) -> str:
        start = self._end - days * DAY
        return f"/api/v1/telemetry/{device}?{urlencode({'from': start.isoformat(), 'to': self._end.isoformat(), **query})}"

    def _average(self, measurement: str) -> str:
        start = self._end - self._days * DAY
        query = {"measurement": measurement, "from": start.isoformat(), "to": self._end.isoformat(), "resolution": "1h"}
        return f"/api/v1/telemetry/average?{urlencode(query)}"
