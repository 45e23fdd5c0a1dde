"""All SQL of raw readings by page: lines of an export, which PostgreSQL itself writes, and rows. Raises what asyncpg raises."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import msgspec

from iotsphere.infra.postgres import Pool

Form = Literal["csv", "ndjson"]
READ_SECONDS = 60.0
HEADER = "time,device,measurement,value,unit,title,source,quality\n"

# Names are quoted because an older version took any from a file.
_CSV_NAME = """case when translate(measurement, E',"\\r\\n', '') = measurement then measurement
    else '"' || replace(measurement, '"', '""') || '"' end"""
# 0.8 µs a line, a third of what Python takes. The fraction has three digits, six where they are needed; $6 are the parts of a
# line that follow from the measurement, quoted by the caller.
_LINE: Mapping[Form, str] = {
    "csv": f"""
    replace(to_char(timestamp at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), '000Z', 'Z') || ',' || device_id || ','
    || {_CSV_NAME} || ',' || coalesce(value::text, '') || ',' || coalesce($6::jsonb ->> measurement, ',') || ','
    || coalesce(metadata ->> 'source', 'device') || ',' || coalesce(metadata ->> 'quality', '') || E'\\n'
    """,
    "ndjson": """
    '{"ts":' || (extract(epoch from timestamp) * 1000)::float8 || ',"device":"' || device_id
    || '","measurement":' || to_json(measurement)::text
    || ',"value":' || coalesce(value::text, 'null') || coalesce($6::jsonb ->> measurement, ',"unit":"","title":null')
    || ',"source":"' || coalesce(metadata ->> 'source', 'device') || '","quality":'
    || coalesce('"' || (metadata ->> 'quality') || '"', 'null') || E'}\\n'
    """,
}
_PAGE = """
select convert_to(string_agg(line, ''), 'UTF8') as text, count(*) as lines, max(timestamp) as last_time,
       (array_agg(measurement))[count(*)] as last_measurement
from (
    select timestamp, measurement, {line} as line from telemetry.telemetry
    where device_id = $1 and timestamp >= $2 and timestamp < $3 and (timestamp > $2 or measurement > $4)
    and ($5::text[] is null or measurement = any($5)) order by timestamp, measurement limit $7
) page
"""
_ROWS = """
select timestamp, measurement, value, metadata ->> 'source' as source, metadata ->> 'quality' as quality from telemetry.telemetry
where device_id = $1 and timestamp >= $2 and timestamp < $3 and (timestamp > $2 or measurement > $4)
and ($5::text[] is null or measurement = any($5)) order by timestamp, measurement limit $6
"""
# The planner must know the stretch to see which partitions it lies in, and the index has the order already.
_IN_ORDER = "set local plan_cache_mode = force_custom_plan; set local enable_sort = off"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page ends: the next one begins after this reading. "" is before every measurement."""

    time: datetime
    measurement: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """Lines as they go to the client, and where they end; ``last`` is None when there is no line."""

    text: bytes
    lines: int
    last: Place | None


@dataclass(frozen=True, slots=True)
class Reading:
    """One raw reading; ``source`` and ``quality`` as in latest_value.LatestValue."""

    time: datetime
    measurement: str
    value: float | None
    source: str | None
    quality: str | None


def tails(form: Form, names: Mapping[str, tuple[str, str]]) -> str:
    """What lines say of a measurement beside its name, as JSON text by measurement: unit and title."""
    write = _csv_tail if form == "csv" else _json_tail
    return msgspec.json.encode({key: write(unit, title) for key, (unit, title) in names.items()}).decode()


def _csv_tail(unit: str, title: str) -> str:
    return ",".join('"' + text.replace('"', '""') + '"' if set(text) & set(',"\r\n') else text for text in (unit, title))


def _json_tail(unit: str, title: str) -> str:
    return f',"unit":{msgspec.json.encode(unit).decode()},"title":{msgspec.json.encode(title).decode()}'


async def page(
    pool: Pool, form: Form, device: str, after: Place, end: datetime, measurements: Sequence[str] | None, tail: str, limit: int
) -> Page:
    """The next lines of a device in the order of time, then of the measurements."""
    names = None if measurements is None else list(measurements)
    async with pool.acquire() as connection, connection.transaction(readonly=True):
        await connection.execute(_IN_ORDER)
        row = await connection.fetchrow(
            _PAGE.format(line=_LINE[form]), device, after.time, end, after.measurement, names, tail, limit, timeout=READ_SECONDS
        )
    assert row is not None  # noqa: S101 - an aggregate without GROUP BY has one row
    last = Place(row["last_time"], row["last_measurement"]) if row["lines"] else None
    return Page(row["text"] or b"", row["lines"], last)


async def rows(
    pool: Pool, device: str, after: Place, end: datetime, measurements: Sequence[str] | None, limit: int
) -> list[Reading]:
    """The next readings of a device in the order of time, then of the measurements."""
    names = None if measurements is None else list(measurements)
    async with pool.acquire() as connection, connection.transaction(readonly=True):
        await connection.execute(_IN_ORDER)
        found = await connection.fetch(_ROWS, device, after.time, end, after.measurement, names, limit, timeout=READ_SECONDS)
    return [Reading(*row.values()) for row in found]
