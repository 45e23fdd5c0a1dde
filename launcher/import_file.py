"""`iotsphere telemetry import`: a CSV file into the store of the running platform."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import BinaryIO
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import asyncpg
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress as Bar

from ingest import imports_table, telemetry_table
from ingest.import_columns import columns
from ingest.import_lines import Lines, Record, fingerprint
from ingest.import_rows import Rows
from ingest.import_times import time_reader
from ingest.importing import Importer, Report, try_out
from ingest.imports_table import Progress
from ingest.latest import LatestStore
from ingest.partitions import Partitions
from ingest.retention_rules import Retention
from iotsphere.devices import device_types
from iotsphere.errors import InvalidInput
from iotsphere.infra.postgres import make_pool, unavailable_as_ours
from iotsphere.registry import DeviceRecord
from iotsphere.terminal import harmless
from launcher import enrol_table
from shadow.cache import connect


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What to import, and how it is written.

    Attributes:
        mapped: column by field, see ingest.import_columns.columns().
        device: of all lines; None: a column names it.
        again: also when it was imported before.
    """

    file: Path
    mapped: Mapping[str, str]
    device: str | None
    time_format: str
    timezone: str | None
    delimiter: str
    decimal: str = "."
    rejects: Path
    again: bool = False

    @property
    def how(self) -> str:
        """What makes another import of the same file."""
        return repr((sorted(self.mapped.items()), self.device, self.time_format, self.timezone, self.delimiter, self.decimal))


@dataclass(frozen=True, slots=True, kw_only=True)
class Stores:
    """Where the platform keeps what: the registry, the telemetry, and the newest values."""

    dsn: str
    telemetry_dsn: str
    redis_url: str
    retention: Retention


async def try_import(wanted: Wanted, stores: Stores) -> Report:
    """Say what an import would do, and change nothing.

    Raises:
        InvalidInput: an option does not fit the file.
    """
    with opened(wanted) as (file, header):
        rows = _rows(wanted, header, await _devices(stores), stores.retention)
        return try_out(Lines(file, wanted.delimiter, header.line, rows.misfit), rows)


async def import_file(wanted: Wanted, stores: Stores, on_progress: Callable[[Progress], None]) -> Report:
    """Import what of the file is not imported yet.

    Raises:
        InvalidInput: an option does not fit the file.
        StoreUnavailable: a database is away; started again, it goes on where it was.
    """
    with opened(wanted) as (file, header):
        rows = _rows(wanted, header, await _devices(stores), stores.retention)
        async with AsyncExitStack() as stack:
            async with unavailable_as_ours():
                pool = await stack.enter_async_context(await make_pool(stores.telemetry_dsn, name="import", high=2))
                connection = await asyncpg.connect(stores.telemetry_dsn, server_settings={"application_name": "iotsphere import"})
                stack.push_async_callback(connection.close)
                await telemetry_table.prepare(connection)
            redis = await stack.enter_async_context(connect(stores.redis_url))
            latest = LatestStore(redis, pool)
            await latest.start()
            stack.push_async_callback(latest.stop)
            known = fingerprint(file, wanted.how)
            if wanted.again:
                await imports_table.forget(connection, known)
            importer = Importer(connection, Partitions(pool, stores.retention.raw), latest, wanted.rejects, on_progress)
            return await importer.run(known, file, wanted.delimiter, header, rows)


@contextmanager
def opened(wanted: Wanted) -> Iterator[tuple[BinaryIO, Record]]:
    """The file and its header, standing behind it.

    Raises:
        InvalidInput: it cannot be read, or is empty or a pipe.
    """
    if wanted.decimal == wanted.delimiter:
        raise InvalidInput("decimal", f"{wanted.decimal!r} stands between two fields too: say what does, such as --delimiter ';'")
    try:
        file = wanted.file.open("rb")
    except OSError as error:
        raise InvalidInput("FILE", str(error)) from error
    with file:
        if not file.seekable():
            raise InvalidInput(
                "FILE", "is a pipe: an import that was killed could not go on where it was; write it to a file first"
            )
        header = next(iter(Lines(file, wanted.delimiter)), None)
        if header is None:
            raise InvalidInput("FILE", "is empty: its first line must name the columns")
        if header.wrong:
            raise InvalidInput("FILE", f"its first line must name the columns: {header.wrong}")
        yield file, header


def _rows(wanted: Wanted, header: Record, devices: Mapping[str, DeviceRecord], retention: Retention) -> Rows:
    if wanted.device is not None and wanted.device not in devices:
        raise InvalidInput("device", f"no device {wanted.device} is registered")
    places = columns(header.fields, wanted.mapped, one_device=wanted.device is not None)
    read_time = time_reader(wanted.time_format, _zone(wanted.timezone))
    kept = replace(retention, gone={})  # a file brings a stretch back as a whole
    return Rows(places, read_time, wanted.device, devices, device_types(), kept, time.time() * 1000, wanted.decimal)


def _zone(name: str | None) -> tzinfo | None:
    try:
        return None if name is None else ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InvalidInput("timezone", f"{name} is no time zone such as UTC or Europe/Vienna") from error


async def _devices(stores: Stores) -> dict[str, DeviceRecord]:
    async with unavailable_as_ours():
        connection = await asyncpg.connect(stores.dsn, timeout=10)
        try:
            rows = await enrol_table.every(connection)
        finally:
            await connection.close()
    return {r["id"]: DeviceRecord(r["id"], r["organization"], r["device_type"], r["kind"], r["status"]) for r in rows}


@contextmanager
def bar(file: Path) -> Iterator[Callable[[Progress], None]]:
    """Progress on a terminal; nothing elsewhere."""
    console = Console(stderr=True)
    with Bar(console=console, disable=not console.is_terminal, transient=True) as shown:
        task = shown.add_task(escape(harmless(file.name)), total=file.stat().st_size)
        yield lambda progress: shown.update(
            task, completed=progress.position, description=f"{progress.stored:,} readings, {progress.rejected:,} rejected"
        )


def as_json(report: Report) -> dict[str, object]:
    """For programs: times in ISO 8601."""
    return {
        "lines": report.lines, "stored": report.stored, "already_there": report.there,
        "skipped_lines": report.skipped, "rejected": report.rejected,
        "devices": sorted(report.devices), "measurements": sorted(report.measurements),
        "from": _iso(report.earliest), "to": _iso(report.latest),
        "first_rejects": [{"line": one.line, "reason": one.reason} for one in report.first],
        "finished_before": report.finished.isoformat() if report.finished else None,
    }  # fmt: skip


def render(report: Report, seconds: float, *, dry: bool) -> str:
    """For people."""
    if report.finished:
        return f"this file was imported on {report.finished:%Y-%m-%d %H:%M} UTC; --again imports it once more"
    verb = "would be stored" if dry else "are stored"
    there = f" (already there: {report.there:,})" if report.there else ""
    lines = [f"{report.stored:,} readings of {len(report.devices)} devices {verb}{there}, {report.rejected:,} rejected"]
    if report.skipped:
        lines[0] += f"; {report.skipped:,} lines had been done before"
    if report.earliest is not None:
        lines.append(f"from {_iso(report.earliest)} to {_iso(report.latest)}: {', '.join(sorted(report.measurements))}")
    if not dry and seconds:
        lines.append(f"{seconds:.1f} s, {report.stored / seconds:,.0f} readings a second")
    if dry:
        lines.append(
            "what is stored already, or with another value, shows in the import itself; so do values far apart in the file"
        )
    lines += [f"line {one.line}: {harmless(one.reason)}" for one in report.first]
    if (more := report.rejected - len(report.first)) > 0:
        lines.append(f"and {more:,} more")
    return "\n".join(lines)


def _iso(micros: int | None) -> str | None:
    return None if micros is None else datetime.fromtimestamp(micros / 1e6, UTC).isoformat()
