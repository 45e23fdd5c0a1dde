"""The door by which telemetry is read. Whoever calls has checked that the devices may be seen."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ingest import retention_table, rollup_reads, telemetry_reads
from ingest.batch import POSTGRES_EPOCH_US
from ingest.binary_columns import floats, integers
from ingest.engine import EngineRollups, RollupReads
from ingest.latest import LatestStore
from ingest.latest_value import LatestValue
from ingest.retention_rules import INSTALLATION
from ingest.rollups import RAW_READINGS, Buckets
from ingest.thin import Column, aligned, points_within, thin
from iotsphere.infra.postgres import Pool, unavailable_as_ours

__all__ = ["History", "LatestValue", "Series"]

LOOK_SECONDS = 60.0
MEASUREMENTS = 100  # of a history of all
CELLS = 2_000_000  # of an answer: a hundred columns that share no moment would be ten thousand times their readings

_POSTGRES_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Series:
    """A stretch of telemetry in columns: each column of ``values`` is as long as ``ts`` (ms since the Unix epoch)."""

    ts: Sequence[float]
    values: Mapping[str, Sequence[float | None]]
    downsampled: bool


class History:
    """Reads of telemetry.

    Args:
        pool: the telemetry database.
        rollups: of the engine that the database has, when nothing else is said.
        page: readings a statement, which is what a long history takes of memory at once; more than one moment has.
    """

    def __init__(self, pool: Pool, latest: LatestStore, *, rollups: RollupReads | None = None, page: int = 400_000) -> None:
        self._pool = pool
        self._rollups = rollups or EngineRollups(pool)
        self._latest = latest
        self._raw_since: Mapping[str, datetime] = {}
        self._look_again = 0.0
        self._page = page

    async def latest_many(self, devices: Sequence[str]) -> Mapping[str, Mapping[str, LatestValue]]:
        """The newest reading of every measurement of every device.

        Raises:
            StoreUnavailable: neither Valkey nor PostgreSQL answers.
        """
        return await self._latest.latest_many(devices)

    async def history(
        self,
        device: str,
        start: datetime,
        end: datetime,
        measurements: Sequence[str] | None,
        max_points: int,
        *,
        first: Sequence[str] = (),
    ) -> Series:
        """Readings in [start, end); None means all measurements, at most MEASUREMENTS: those of ``first``, then by the alphabet.

        A measurement with more than ``max_points`` readings is thinned to its last one and to its lowest and highest in equal
        stretches of the time that it spans, and all of them further when the answer would have more than CELLS cells. Nothing is
        invented: a gap stays a gap.

        Raises:
            StoreUnavailable: PostgreSQL is away.
        """
        columns: dict[str, Column] = {}
        counts: dict[str, int] = {}
        async for page in self._pages(device, _micros(start), _micros(end), measurements):
            if measurements is None:
                keep = _chosen(page.keys() | columns.keys(), first)
                columns, page = ({name: c for name, c in found.items() if name in keep} for found in (columns, page))
            for name, column in page.items():
                counts[name] = counts.get(name, 0) + len(column.moments)
                joined = columns[name].followed_by(column) if name in columns else column
                columns[name] = await asyncio.to_thread(thin, joined, max_points)
        most = await asyncio.to_thread(points_within, columns, CELLS)
        moments, values = await asyncio.to_thread(_thinned, columns, most)
        downsampled = any(counts[name] > min(max_points, most) for name in columns)
        return Series([(m + POSTGRES_EPOCH_US) / 1000 for m in moments], values, downsampled)

    async def _pages(
        self, device: str, after: int, end: int, measurements: Sequence[str] | None
    ) -> AsyncIterator[dict[str, Column]]:
        """All readings in the order of time, some at a time."""
        while after < end:
            async with unavailable_as_ours():
                rows = await telemetry_reads.page(self._pool, device, _moment(after), _moment(end), measurements, self._page)
            page = {name: _column(moments, numbers) for name, moments, numbers in rows}
            if sum(len(column.moments) for column in page.values()) < self._page:
                yield page
                return
            # The page ends among the readings of one moment: that moment begins the next page, unless it is all there is.
            last = max(column.moments[-1] for column in page.values())
            after, page = (last, {n: c.before(last) for n, c in page.items()}) if last > after else (last + 1, page)
            yield page

    async def median_gaps_s(self, devices: Mapping[str, datetime | None]) -> Mapping[str, float]:
        """Median distance in seconds between the last readings of each device; one that has less than two is left out.

        Args:
            devices: by id, since when readings count; None: all of them.

        Raises:
            StoreUnavailable: PostgreSQL is away.
        """
        async with unavailable_as_ours():
            return await telemetry_reads.median_gaps_s(self._pool, devices)

    async def count(self, device: str, start: datetime, end: datetime, measurements: Sequence[str] | None) -> int:
        """How many readings there are in [start, end); more than rollups.RAW_READINGS are not told apart.

        Raises:
            StoreUnavailable: PostgreSQL is away.
        """
        async with unavailable_as_ours():
            return await telemetry_reads.count(self._pool, device, start, end, measurements, RAW_READINGS + 1)

    async def raw_since(self, organization: str) -> datetime | None:
        """An organization's raw readings are kept from here on, as far as the database says so; looked up once a minute.

        Raises:
            StoreUnavailable: PostgreSQL is away.
        """
        now = asyncio.get_running_loop().time()
        if now >= self._look_again:
            async with unavailable_as_ours():
                self._raw_since = await retention_table.raw_since(self._pool)
            self._look_again = now + LOOK_SECONDS
        return max((self._raw_since[who] for who in (INSTALLATION, organization) if who in self._raw_since), default=None)

    async def rolled_up(self, device: str, measurements: Sequence[str]) -> Set[str]:
        """Those of the measurements that the device's rollups by the hour or day know.

        Raises:
            StoreUnavailable: PostgreSQL is away.
        """
        async with unavailable_as_ours():
            return await rollup_reads.known(self._pool, device, measurements)

    async def rollups(
        self, devices: Sequence[str], measurements: Sequence[str] | None, start: datetime, end: datetime, step: timedelta
    ) -> Mapping[str, Mapping[str, Buckets]]:
        """Buckets of one of rollups.STEPS by device and measurement over [start, end); None means all measurements.

        They agree with what is committed, late readings and the bucket that is still open included. What begins or ends in the
        middle of a bucket has only its own readings in it.

        Raises:
            StoreUnavailable: PostgreSQL is away.
        """
        async with unavailable_as_ours():
            return await self._rollups.rollups(devices, measurements, start, end, step)

    async def together(
        self, devices: Sequence[str], measurement: str, start: datetime, end: datetime, step: timedelta
    ) -> Buckets:
        """The same of many devices put together: count, sum, lowest, highest and sources of each bucket.

        Raises:
            StoreUnavailable: PostgreSQL is away.
        """
        async with unavailable_as_ours():
            return await self._rollups.together(devices, measurement, start, end, step)


def _chosen(names: Set[str], first: Sequence[str]) -> Set[str]:
    """The names that a history of all has. What one page leaves out no later page brings back."""
    if len(names) <= MEASUREMENTS:
        return names
    rank = {name: position for position, name in enumerate(first)}
    return set(sorted(names, key=lambda name: (rank.get(name, len(rank)), name))[:MEASUREMENTS])


def _thinned(columns: Mapping[str, Column], most: int) -> tuple[list[int], dict[str, list[float | None]]]:
    return aligned({name: thin(column, most) for name, column in columns.items()})


def _micros(moment: datetime) -> int:
    return (moment - _POSTGRES_EPOCH) // _MICROSECOND


def _moment(micros: int) -> datetime:
    return _POSTGRES_EPOCH + micros * _MICROSECOND


def _column(moments: bytes, numbers: bytes) -> Column:
    return Column(integers(moments), floats(numbers))
