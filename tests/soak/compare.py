"""Every acknowledged reading against the table: an exact difference of sets, device by device, in SQL."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import asyncpg

from tests.bench.wire import MESSAGES_APART_MS
from tests.soak.device import SoakDevice

AT_ONCE = 2
# Made and compared as sets of (timestamp, measurement): what was acknowledged without what is stored, and what is stored twice.
COMPARE = """
with acknowledged as (
    select $2::timestamptz + number * make_interval(secs => $3 / 1000.0) as timestamp, measurement
    from generate_series(0, $4::bigint - 1) as number cross join unnest($5::text[]) as measurement
), stored as materialized (
    select timestamp, measurement from telemetry.telemetry where device_id = $1
)
select (select count(*) from (select * from acknowledged except select * from stored) as lost),
       (select count(*) from stored),
       (select count(*) from (select distinct timestamp, measurement from stored) as kinds)
"""
SETTINGS = {"work_mem": "256MB", "max_parallel_workers_per_gather": "0", "jit": "off"}


@dataclass
class Comparison:
    """Over all devices, in readings.

    Attributes:
        acked: acknowledged; lost: of these, not in the table; stored: in the table; duplicates: stored more often than once.
    """

    acked: int = 0
    lost: int = 0
    stored: int = 0
    duplicates: int = 0


async def compare(dsn: str, devices: Sequence[SoakDevice]) -> Comparison:
    """Look at all of them."""
    total, waiting = Comparison(), list(devices)

    async def some() -> None:
        connection = await asyncpg.connect(dsn, server_settings=SETTINGS)
        try:
            while waiting:
                await _one(connection, waiting.pop(), total)
        finally:
            await connection.close()

    await asyncio.gather(*(some() for _ in range(AT_ONCE)))
    return total


async def _one(connection: "asyncpg.Connection[asyncpg.Record]", device: SoakDevice, total: Comparison) -> None:
    stream = device.stream
    measurements = [reading.key for reading in stream.readings]
    first = datetime.fromtimestamp(stream.first_ms / 1000, UTC)
    row = await connection.fetchrow(COMPARE, stream.device, first, MESSAGES_APART_MS, device.acked, measurements, timeout=None)
    assert row is not None
    total.acked += device.acked * len(measurements)
    total.lost += row[0]
    total.stored += row[1]
    total.duplicates += row[1] - row[2]
