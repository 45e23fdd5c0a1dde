"""The yardstick of ingest: the same rows by COPY into the same table, nothing else at work."""

import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg

from tests.bench.wire import MESSAGES_APART_MS, Reading, value

ROWS_A_COMMIT = 10_000
COLUMNS = ("device_id", "timestamp", "measurement", "value", "metadata")
POSTGRES_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
Row = tuple[str, Any, str, float, None]


def rows_of(per_device: Mapping[str, int], readings: Sequence[Reading], first_ms: int, most: int) -> list[Row]:
    """The rows of a round in the order in which the devices' messages arrive, ``most`` of them."""
    rows: list[Row] = []
    for row in _in_turn(per_device, readings, datetime.fromtimestamp(first_ms / 1000, UTC)):
        rows.append(row)
        if len(rows) == most:
            break
    return rows


def _in_turn(per_device: Mapping[str, int], readings: Sequence[Reading], first: datetime) -> Iterator[Row]:
    for number in range(max(per_device.values())):
        moment = first + timedelta(milliseconds=number * MESSAGES_APART_MS)
        for device, count in per_device.items():
            if number < count:
                for reading in readings:
                    yield device, moment, reading.key, round(value(reading, number), 2), None


async def copy_rate(dsn: str, rows: Sequence[Row], *, tuned: bool) -> float:
    """Rows a second inside COPY.

    Args:
        tuned: moments are given as the integers that PostgreSQL stores, which spares the driver half of its work.
    """
    connection = await asyncpg.connect(dsn, server_settings={"jit": "off"})
    try:
        if tuned:
            await connection.set_type_codec("timestamptz", schema="pg_catalog", encoder=_same, decoder=_same, format="tuple")
            rows = [(device, ((moment - POSTGRES_EPOCH) // MICROSECOND,), *rest) for device, moment, *rest in rows]  # type: ignore[misc]
        batches = [rows[start : start + ROWS_A_COMMIT] for start in range(0, len(rows), ROWS_A_COMMIT)]
        began = time.perf_counter()
        for batch in batches:
            await connection.copy_records_to_table("telemetry", schema_name="telemetry", records=batch, columns=COLUMNS)
        return len(rows) / (time.perf_counter() - began)
    finally:
        await connection.close()


def _same(moment: Any) -> Any:
    return moment
