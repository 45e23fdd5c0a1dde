"""Daily partitions of the telemetry table: made ahead, made on demand, dropped by retention. Days are counted from 1970, UTC."""

import asyncio
import time
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta

import structlog

from iotsphere.infra.postgres import Pool

log = structlog.get_logger()

AHEAD_DAYS, BEHIND_DAYS = 7, 1
SCHEMA, PARENT = "telemetry", "telemetry.telemetry"
_EXISTING = """
select c.relname as name, i.inhdetachpending as pending from pg_inherits i join pg_class c on c.oid = i.inhrelid
where i.inhparent = $1::regclass
"""
_EPOCH = date(1970, 1, 1)


def name_of(day: int) -> str:
    """The partition of a day."""
    return f"telemetry_{_date(day):%Y%m%d}"


def day_of_name(name: str) -> int | None:
    """The day of a partition, None for another table."""
    try:
        return (datetime.strptime(name, "telemetry_%Y%m%d").replace(tzinfo=UTC).date() - _EPOCH).days
    except ValueError:
        return None


def _date(day: int) -> date:
    return _EPOCH + timedelta(days=day)


class Partitions:
    """Knows which days have a partition. Raises what asyncpg raises.

    Args:
        pool: the telemetry database.
        retention_days: raw readings older than this are dropped by whole days.
        clock: seconds since the Unix epoch.
    """

    def __init__(self, pool: Pool, retention_days: int, clock: Callable[[], float] = time.time) -> None:
        self._pool = pool
        self._retention_days = retention_days
        self._clock = clock
        self._known: set[int] = set()
        self._making = asyncio.Lock()

    async def load(self) -> None:
        """Read which exist, and make −1 … +7 days."""
        rows = await self._pool.fetch(_EXISTING, PARENT)
        self._known = {day for row in rows if not row["pending"] and (day := day_of_name(row["name"])) is not None}
        await self.make_ahead()

    async def make_ahead(self) -> None:
        """Make the days around today."""
        today = self._today()
        await self.ensure(range(today - BEHIND_DAYS, today + AHEAD_DAYS + 1))

    def _today(self) -> int:
        return int(self._clock() // 86_400)

    def missing(self, days: set[int]) -> set[int]:
        """Which of these have no partition yet."""
        return days - self._known

    def forget(self, days: Iterable[int]) -> None:
        """These turned out to be missing, or may be."""
        self._known.difference_update(days)

    async def ensure(self, days: Iterable[int]) -> None:
        """Make the missing ones, one task at a time; several processes may do it at once."""
        for day in sorted(self.missing(set(days))):
            async with self._making:
                if day not in self._known:
                    await self._make(day)
                    self._known.add(day)

    async def _make(self, day: int) -> None:
        # LIKE and ATTACH take a lighter lock on the parent than CREATE … PARTITION OF: writers of other days go on.
        table = f"{SCHEMA}.{name_of(day)}"
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute("select pg_advisory_xact_lock(hashtext($1))", table)
            if await connection.fetchval("select exists (select from pg_inherits where inhrelid = to_regclass($1))", table):
                return
            await connection.execute(
                f"create table if not exists {table} (like {PARENT} including defaults including constraints)"
            )
            await connection.execute(
                f"alter table {PARENT} attach partition {table} for values from ('{_date(day)}+00') to ('{_date(day + 1)}+00')"
            )

    async def drop_expired(self) -> list[date]:
        """Drop whole days beyond retention; readers and writers of other days go on."""
        # A day more than retention: its last reading was taken until retention days after it.
        last = self._today() - self._retention_days - 1
        dropped = []
        for row in await self._pool.fetch(_EXISTING, PARENT):
            day = day_of_name(row["name"])
            if day is not None and day < last:
                await self._drop(row["name"], pending=row["pending"])
                self.forget([day])
                dropped.append(_date(day))
        if dropped:
            log.info("dropped readings beyond retention", days=[str(day) for day in dropped])
        return dropped

    async def _drop(self, name: str, *, pending: bool) -> None:
        # An earlier DETACH CONCURRENTLY that was interrupted must be finished, not begun again.
        how = "finalize" if pending else "concurrently"
        async with self._pool.acquire() as connection:
            await connection.execute(f"alter table {PARENT} detach partition {SCHEMA}.{name} {how}", timeout=600)
            await connection.execute(f"drop table {SCHEMA}.{name}")
