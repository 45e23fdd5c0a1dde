"""What retention would let go now. Raises what asyncpg raises."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from ingest import retention_table, timescale_table
from ingest.expiry import cutoff
from ingest.partitions import expired_of
from ingest.periods import MINUTES, RAW, Period
from ingest.retention_rules import LEVELS, Kept, Retention
from ingest.rollup_table import TABLES
from ingest.rollups import Level
from iotsphere.infra.postgres import Connection


@dataclass(frozen=True, slots=True)
class Expiring:
    """What would go.

    Attributes:
        name: of the partition, chunk or table, or of the organization.
        start, end: the event times in it; ``start`` None: all before ``end``.
        bytes: on the disk, indexes included; None when only the number of rows is known.
    """

    what: Kept
    name: str
    start: datetime | None
    end: datetime
    bytes: int | None = None
    rows: int | None = None


async def expiring(
    connection: Connection, engine: str, retention: Retention, devices: Mapping[str, Sequence[str]], now: float
) -> list[Expiring]:
    """What the next turn would let go.

    Args:
        devices: of the organizations that keep less.
        now: seconds since the Unix epoch.
    """
    if engine == "timescale":
        return await _chunks(connection, retention, now)
    found = await _partitions(connection, retention, now)
    for organization, days in retention.shorter.items():
        before = cutoff(now, days)
        if rows := await retention_table.old_readings(connection, devices.get(organization, ()), before):
            found.append(Expiring("raw", organization, None, before, rows=rows))
    return found


async def _partitions(connection: Connection, retention: Retention, now: float) -> list[Expiring]:
    found = await _expired(connection, "raw", RAW, retention.raw, now)
    found += await _expired(connection, "1m", MINUTES, retention.levels[Level.MINUTE], now)
    for name, level in LEVELS.items():
        days = retention.levels[level]
        if level is not Level.MINUTE and days is not None:
            before = cutoff(now, days)
            size, oldest = await retention_table.old_rollups(connection, TABLES[level], before)
            found += [Expiring(name, TABLES[level], oldest, before, size)] if size else []
    return found


async def _expired(connection: Connection, what: Kept, period: Period, days: int | None, now: float) -> list[Expiring]:
    today = datetime.fromtimestamp(now, UTC).date()
    return [
        Expiring(what, one.name, _midnight(period, one.number), _midnight(period, one.number + 1), one.bytes)
        for one in await expired_of(connection, period, days, today)
    ]


def _midnight(period: Period, number: int) -> datetime:
    return datetime.combine(period.start(number), datetime.min.time(), UTC)


async def _chunks(connection: Connection, retention: Retention, now: float) -> list[Expiring]:
    found = await _chunks_of(connection, "raw", "telemetry", retention.raw + 1, now)
    for name, level in LEVELS.items():
        if (days := retention.levels[level]) is not None:
            found += await _chunks_of(connection, name, TABLES[level].partition(".")[2], days, now)
    return found


async def _chunks_of(connection: Connection, what: Kept, table: str, days: int, now: float) -> list[Expiring]:
    before = datetime.fromtimestamp(now - days * 86_400, UTC)
    rows = await timescale_table.old_chunks(connection, table, before)
    return [Expiring(what, row["name"], row["low"], row["high"], row["bytes"]) for row in rows]
