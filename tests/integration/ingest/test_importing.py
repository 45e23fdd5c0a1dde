"""A file is imported once, whatever happens in between."""

import asyncio
import csv
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from ingest import importing, telemetry_table
from ingest.import_columns import columns
from ingest.import_lines import Lines, fingerprint
from ingest.import_rows import Rows
from ingest.import_times import time_reader
from ingest.importing import Importer, Report, try_out
from ingest.partitions import Partitions
from ingest.retention_rules import Retention
from tests.support.devices import TYPES, delivery, thermometer
from tests.support.ingest import TestIngest, now_ms, running_ingest
from tests.support.waiting import until

pytestmark = pytest.mark.integration
RETENTION_DAYS = 30


@asynccontextmanager
async def importer(it: TestIngest, dsn: str, rejects: Path, **hooks: Any) -> AsyncIterator[Importer]:
    connection = await asyncpg.connect(dsn)
    await telemetry_table.prepare(connection)
    try:
        yield Importer(
            connection, Partitions(it.pool, RETENTION_DAYS), it.latest, rejects, hooks.get("on_progress", lambda _: None)
        )
    finally:
        connection.terminate()


async def bring_in(made: Importer, path: Path) -> Report:
    with path.open("rb") as file:
        known = fingerprint(file, "")
        header = next(iter(Lines(file, ",")))
        return await made.run(known, file, ",", header, rows_of(header.fields))


def rows_of(header: list[str]) -> Rows:
    places = columns(header, {}, one_device=False)
    return Rows(
        places, time_reader("ms", None), None, {"t-1": thermometer()}, TYPES, Retention(RETENTION_DAYS), time.time() * 1000
    )


def write(path: Path, *lines: object) -> Path:
    path.write_text("\n".join(["time,device,measurement,value", *(",".join(map(str, line)) for line in lines)]) + "\n")  # type: ignore[call-overload]
    return path


async def test_readings_are_stored_once_and_marked_and_the_rest_is_in_the_rejects(
    migrated_dsn: str, valkey_url: str, tmp_path: Path
) -> None:
    ts, rejects = now_ms(), tmp_path / "rejects.csv"
    path = write(
        tmp_path / "in.csv",
        (ts, "t-1", "temperature", 1), (ts, "t-1", "temperature", 1), (ts + 1, "t-1", "temperature", 5),
        (ts, "t-1", "humidity", "wet"), (ts, "gone", "humidity", 1),
    )  # fmt: skip
    async with running_ingest(migrated_dsn, valkey_url) as it, importer(it, migrated_dsn, rejects) as made:
        await it.pipeline.commit([delivery({"ts": ts + 1, "values": {"temperature": 9}})])
        report = await bring_in(made, path)
        assert (report.lines, report.stored, report.there, report.rejected) == (5, 2, 1, 3)
        assert await it.rows() == {(ts, "temperature"): 1.0, (ts + 1, "temperature"): 9.0}
        sources = await it.pool.fetch("select metadata->>'source' from telemetry.telemetry order by timestamp")
        assert [row[0] for row in sources] == ["import", None]
        with rejects.open() as file:
            told = {(row["line"], row["reason"], row["value"]) for row in csv.DictReader(file)}
        assert {(line, value) for line, _, value in told} == {("4", "5"), ("5", "wet"), ("6", "1")}
        assert any("is 9.0 already, not 5.0" in reason for _, reason, _ in told)
        again = await bring_in(made, path)
        assert again.finished is not None
        assert (again.lines, again.stored) == (0, 0)


def test_a_trial_finds_what_the_file_contradicts_itself(tmp_path: Path) -> None:
    ts = now_ms()
    path = write(
        tmp_path / "in.csv",
        (ts, "t-1", "temperature", 1), (ts, "t-1", "temperature", 1), (ts, "t-1", "humidity", 2), (ts, "t-1", "temperature", 3),
    )  # fmt: skip
    with path.open("rb") as file:
        header = next(iter(Lines(file, ",")))
        report = try_out(Lines(file, ",", header.line), rows_of(header.fields))
    assert (report.lines, report.stored, report.rejected) == (4, 3, 1)
    assert (report.first[0].line, "temperature at" in report.first[0].reason) == (5, True)
    assert report.first[0].reason.endswith("is 1.0 already, not 3.0: the first value stays")


async def test_newer_readings_become_the_latest_and_older_ones_do_not(migrated_dsn: str, valkey_url: str, tmp_path: Path) -> None:
    ts = now_ms()
    path = write(tmp_path / "in.csv", (ts - 5, "t-1", "temperature", 1), (ts + 5, "t-1", "humidity", 2))
    async with running_ingest(migrated_dsn, valkey_url) as it, importer(it, migrated_dsn, tmp_path / "r.csv") as made:
        await it.pipeline.commit([delivery({"ts": ts, "values": {"temperature": 9, "humidity": 9}})])
        await bring_in(made, path)

        async def told() -> bool:
            latest = (await it.latest.latest_many(["t-1"]))["t-1"]
            return {key: value.value for key, value in latest.items()} == {"temperature": 9.0, "humidity": 2.0}

        await until(told)


@pytest.mark.parametrize("killed_at", [1, 2, 3])
async def test_a_killed_import_goes_on_where_it_was(
    migrated_dsn: str, valkey_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, killed_at: int
) -> None:
    """Killed after the rejects are on the disk and before the commit: neither is there when it goes on."""
    monkeypatch.setattr(importing, "READINGS", 10)
    ts, rejects = now_ms(), tmp_path / "rejects.csv"
    lines = [(ts + n, "t-1", "temperature", "odd" if n % 7 == 0 else n % 100) for n in range(60)]
    path = write(tmp_path / "in.csv", *lines)
    async with running_ingest(migrated_dsn, valkey_url) as it:
        async with importer(it, migrated_dsn, rejects) as first:
            move, calls = importing.imports_table.move, 0

            async def dying(*arguments: Any, **more: Any) -> None:
                nonlocal calls
                calls += 1
                await move(*arguments, **more)
                if calls == killed_at:
                    raise asyncio.CancelledError

            monkeypatch.setattr(importing.imports_table, "move", dying)
            with pytest.raises(asyncio.CancelledError):
                await bring_in(first, path)
            monkeypatch.setattr(importing.imports_table, "move", move)
        assert await it.count() == (killed_at - 1) * 10
        async with importer(it, migrated_dsn, rejects) as second:
            report = await bring_in(second, path)
        assert report.skipped + report.lines == 60
        assert await it.rows() == {(ts + n, "temperature"): float(n % 100) for n in range(60) if n % 7}
        with rejects.open() as file:
            assert [int(row["line"]) for row in csv.DictReader(file)] == [n + 2 for n in range(60) if n % 7 == 0]
        assert await it.pool.fetchval("select (stored, rejected, line) = (51, 9, 61) from telemetry.imports")


async def test_what_is_all_new_is_copied_and_what_is_not_is_merged_for_a_while(
    migrated_dsn: str, valkey_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "READINGS", 10)
    monkeypatch.setattr(importing, "MERGED", 2)
    ts, merge, merged = now_ms() - 60, telemetry_table.merge, []

    async def watched(connection: Any, rows: Any, **more: Any) -> Any:
        merged.append(round(rows[0][3]) // 10)
        return await merge(connection, rows, **more)

    monkeypatch.setattr(telemetry_table, "merge", watched)
    path = write(tmp_path / "in.csv", *((ts + n, "t-1", "temperature", n) for n in range(60)))
    async with running_ingest(migrated_dsn, valkey_url) as it, importer(it, migrated_dsn, tmp_path / "r.csv") as made:
        await it.pipeline.commit(
            [delivery({"ts": ts + n, "values": {"temperature": value}}) for n, value in ((15, 15), (17, -1), (27, -2))]
        )
        merged.clear()
        report = await bring_in(made, path)
        assert (report.stored, report.there, report.rejected) == (58, 1, 2)
        assert merged == [1, 2, 3]
        expected = {(ts + n, "temperature"): float(n) for n in range(60)}
        assert await it.rows() == {**expected, (ts + 17, "temperature"): -1.0, (ts + 27, "temperature"): -2.0}
        marks = await it.pool.fetch("select device_id, bucket from telemetry.rollup_dirty where level = 0 and writer = 0")
        assert {row["device_id"] for row in marks} == {"t-1"}


async def test_old_days_get_their_partition(migrated_dsn: str, valkey_url: str, tmp_path: Path) -> None:
    ts = now_ms() - 20 * 86_400_000
    path = write(tmp_path / "in.csv", (ts, "t-1", "temperature", 1), (ts - 20 * 86_400_000, "t-1", "temperature", 1))
    async with running_ingest(migrated_dsn, valkey_url) as it, importer(it, migrated_dsn, tmp_path / "r.csv") as made:
        report = await bring_in(made, path)
        assert (report.stored, report.rejected) == (1, 1)
        assert "iotsphere telemetry retention" in report.first[0].reason
