"""Partitions by time: made ahead, made on demand, dropped by retention. Those of the readings are by the day, UTC."""

import asyncio
import time
from collections.abc import Callable, Iterable, Set
from dataclasses import dataclass
from datetime import UTC, date, datetime

import structlog

from ingest.periods import RAW, Period
from iotsphere.infra.postgres import Connection, Pool

log = structlog.get_logger()

SCHEMA = "telemetry"
_EXISTING = """
select c.relname as name, i.inhdetachpending as pending, pg_total_relation_size(c.oid) as bytes
from pg_inherits i join pg_class c on c.oid = i.inhrelid where i.inhparent = $1::regclass order by c.relname
"""
# A partition need not keep the order of its table's columns. Longest first nothing is padded: 8 bytes less a reading.
_COLUMNS = """
select string_agg(line, ', ' order by place) from (
    select row_number() over (order by attlen < 0, attlen desc, attnum) as place,
        format('%I %s %s', attname, format_type(atttypid, atttypmod), case when attnotnull then 'not null' end) as line
    from pg_attribute where attrelid = $1::regclass and attnum > 0 and not attisdropped
    union all
    select 10000, format('constraint %I %s', conname, pg_get_constraintdef(oid))
    from pg_constraint where conrelid = $1::regclass and contype = 'c'
) lines
"""
_PARTITIONED = "select relkind = 'p' from pg_class where oid = $1::regclass"


@dataclass(frozen=True, slots=True)
class Expired:
    """A partition beyond retention.

    Attributes:
        number: of the period.
        pending: an earlier detachment was interrupted.
    """

    number: int
    name: str
    pending: bool
    bytes: int


class Partitions:
    """Knows which periods have a partition. Raises what asyncpg raises.

    Args:
        pool: the telemetry database.
        keep_days: what is older is dropped by whole periods; None keeps everything. May be changed at any time.
        clock: seconds since the Unix epoch.
        period: of which table.
    """

    def __init__(
        self, pool: Pool, keep_days: int | None, clock: Callable[[], float] = time.time, *, period: Period = RAW
    ) -> None:
        self._pool = pool
        self.keep_days = keep_days
        self._clock = clock
        self._period = period
        self._parent = f"{SCHEMA}.{period.table}"
        self._known: set[int] = set()
        self._making = asyncio.Lock()

    async def load(self) -> None:
        """Read which exist, and make those around today."""
        rows = await self._pool.fetch(_EXISTING, self._parent)
        self._known = {n for row in rows if not row["pending"] and (n := self._period.named(row["name"])) is not None}
        await self.make_ahead()

    async def make_ahead(self) -> None:
        """Make those around today."""
        now = self._period.number(self._today())
        await self.ensure(range(now - self._period.behind, now + self._period.ahead + 1))

    def _today(self) -> date:
        return datetime.fromtimestamp(self._clock(), UTC).date()

    def missing(self, numbers: Set[int]) -> set[int]:
        """Which of these have no partition yet."""
        return set(numbers - self._known)

    def forget(self, numbers: Iterable[int]) -> None:
        """These turned out to be missing, or may be."""
        self._known.difference_update(numbers)

    async def ensure(self, numbers: Iterable[int]) -> None:
        """Make the missing ones, one task at a time; several processes may do it at once."""
        for number in sorted(self.missing(set(numbers))):
            async with self._making:
                if number not in self._known:
                    await self._make(number)
                    self._known.add(number)

    async def _make(self, number: int) -> None:
        # LIKE and ATTACH take a lighter lock on the parent than CREATE … PARTITION OF: writers of other days go on.
        table = f"{SCHEMA}.{self._period.name(number)}"
        low, high = self._period.start(number), self._period.start(number + 1)
        async with self._pool.acquire() as connection, connection.transaction():
            if not await connection.fetchval(_PARTITIONED, self._parent):
                return  # TimescaleDB makes its chunks by itself
            await connection.execute("select pg_advisory_xact_lock(hashtext($1))", table)
            if await connection.fetchval("select exists (select from pg_inherits where inhrelid = to_regclass($1))", table):
                return
            columns = await connection.fetchval(_COLUMNS, self._parent)
            await connection.execute(f"create table if not exists {table} ({columns})")
            await connection.execute(
                f"alter table {self._parent} attach partition {table} for values from ('{low}+00') to ('{high}+00')"
            )

    async def expired(self) -> list[Expired]:
        """What retention would drop now, the oldest first."""
        return await expired_of(self._pool, self._period, self.keep_days, self._today())

    async def drop_expired(self) -> list[date]:
        """Drop whole periods beyond retention; readers and writers of others go on."""
        dropped = []
        for found in await self.expired():
            await self.drop(found)
            dropped.append(self._period.start(found.number))
        if dropped:
            log.info("dropped what is beyond retention", table=self._parent, dates=[str(day) for day in dropped])
        return dropped

    async def drop(self, expired: Expired) -> None:
        """Drop one."""
        # An earlier DETACH CONCURRENTLY that was interrupted must be finished, not begun again.
        how = "finalize" if expired.pending else "concurrently"
        self.forget([expired.number])
        async with self._pool.acquire() as connection:
            await connection.execute(f"alter table {self._parent} detach partition {SCHEMA}.{expired.name} {how}", timeout=600)
            await connection.execute(f"drop table {SCHEMA}.{expired.name}")


async def expired_of(connection: "Connection | Pool", period: Period, keep_days: int | None, today: date) -> list[Expired]:
    """The partitions that are beyond retention, the oldest first. Raises what asyncpg raises."""
    if keep_days is None:
        return []
    found = []
    for row in await connection.fetch(_EXISTING, f"{SCHEMA}.{period.table}"):
        number = period.named(row["name"])
        # A day more than retention: its last reading was taken until retention days after it.
        if number is not None and (today - period.start(number + 1)).days > keep_days:
            found.append(Expired(number, row["name"], row["pending"], row["bytes"]))
    return found
