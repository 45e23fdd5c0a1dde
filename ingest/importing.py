"""Imports a file: readings and the place in the file that they reach are one commit, so that a killed import goes on there."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import asyncpg

from ingest import imports_table, rollup_table, telemetry_table
from ingest.batch import Moment, Row, day_of, text_of, unix_us
from ingest.import_lines import Lines, Record
from ingest.import_rejects import RejectsFile
from ingest.import_rows import Reject, Rows
from ingest.imports_table import Progress
from ingest.latest import LatestStore
from ingest.latest_value import Newest, add_newest
from ingest.partitions import Partitions
from ingest.rollup_marks import keys_of
from iotsphere.infra.postgres import unavailable_as_ours

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]

READINGS = 10_000  # a commit
LINES = 20_000  # a commit, when few of them hold a reading
MERGED = 20  # commits after one that held what is stored already: the next ones will, too
FIRST = 10  # rejects that are told at the end; all of them are in their file


@dataclass(slots=True)
class Report:
    """What an import did, or would do.

    Attributes:
        lines: read now; ``stored``: readings that are in the table now, ``there`` of which were there already.
        skipped: lines that an earlier run had done.
        rejected: lines or values that are not stored; ``first``: some of them.
        finished: when the file was imported before, and nothing was done now.
    """

    lines: int = 0
    stored: int = 0
    there: int = 0
    skipped: int = 0
    rejected: int = 0
    first: list[Reject] = field(default_factory=list)
    devices: set[str] = field(default_factory=set)
    measurements: set[str] = field(default_factory=set)
    earliest: int | None = None
    latest: int | None = None
    finished: datetime | None = None

    def add(self, batch: "Batch") -> None:
        """Take a batch in."""
        rows, rejects = batch.rows, batch.rejects
        self.lines += batch.lines
        self.there += batch.there
        self.stored += len(rows)
        self.rejected += len(rejects)
        self.first += rejects[: FIRST - len(self.first)]
        self.devices.update(row[0] for row in rows)
        self.measurements.update(row[2] for row in rows)
        moments = [row[1] for row in rows]
        ends = [unix_us(end(moments)) for end in (min, max) if moments]
        self.earliest = min([*ends, *([] if self.earliest is None else [self.earliest])], default=None)
        self.latest = max([*ends, *([] if self.latest is None else [self.latest])], default=None)


@dataclass(slots=True)
class Batch:
    """What is committed together: rows, the record that each came from, and what is not stored.

    Attributes:
        there: how many of the rows are in the table already.
    """

    rows: list[Row] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    lines: int = 0
    there: int = 0

    def add(self, record: Record, rows: Rows) -> None:
        """Take a record in."""
        found = rows.read(record, self.rejects)
        self.rows += found
        self.records += [record] * len(found)
        self.lines += 1

    def reject(self, conflicts: Mapping[int, float | None]) -> None:
        """Rows, by position, whose key has another value: that one stays."""
        for position, first in conflicts.items():
            row, record = self.rows[position], self.records[position]
            reason = f"{row[0]} {row[2]} at {text_of(row[1])} is {first} already, not {row[3]}: the first value stays"
            self.rejects.append(Reject(record.line, reason, record.fields))
        self.rows = [row for position, row in enumerate(self.rows) if position not in conflicts]

    @property
    def contradictions(self) -> dict[int, float | None]:
        """Rows, by position, of which the batch has another value before."""
        first: dict[tuple[str, Moment, str], float | None] = {}
        for device, moment, measurement, value, _ in self.rows:
            first.setdefault((device, moment, measurement), value)
        values = ((position, row[3], first[row[:3]]) for position, row in enumerate(self.rows))
        return {position: known for position, value, known in values if known != value}

    @property
    def full(self) -> bool:
        """Whether it is time to commit."""
        return len(self.rows) >= READINGS or self.lines >= LINES


def batches(lines: Iterable[Record], rows: Rows) -> Iterable[Batch]:
    """The records in portions."""
    batch = Batch()
    for record in lines:
        batch.add(record, rows)
        if batch.full:
            yield batch
            batch = Batch()
    if batch.lines:
        yield batch


def try_out(lines: Iterable[Record], rows: Rows) -> Report:
    """What an import would do. Whether another value is stored already is not looked at; that one stands before it in the file
    is seen within what an import would commit together.
    """
    report = Report()
    for batch in batches(lines, rows):
        batch.reject(batch.contradictions)
        report.add(batch)
    return report


class Importer:
    """Writes one file.

    Args:
        connection: to the telemetry database, made ready by telemetry_table.prepare().
        latest: told of the newest values.
        rejects: the file that takes the lines that are not stored, with the reason; made when there is one.
        on_progress: told the bytes of the file that are done.
    """

    def __init__(
        self,
        connection: "Connection",
        partitions: Partitions,
        latest: LatestStore,
        rejects: Path,
        on_progress: Callable[[Progress], None],
    ) -> None:
        self._connection, self._partitions, self._latest = connection, partitions, latest
        self._rejects, self._on_progress = rejects, on_progress
        self._merged_left = 0

    async def run(self, id: str, file: BinaryIO, delimiter: str, header: Record, rows: Rows) -> Report:  # noqa: A002 - as in the table
        """Import what is not imported yet.

        Raises:
            StoreUnavailable: PostgreSQL is away; started again, it goes on where it was.
            InvalidInput: the file for rejects is another file, or has lost some.
        """
        async with unavailable_as_ours():
            progress, ended = await imports_table.begin(self._connection, id, file.name)
            if ended is not None:
                return Report(skipped=progress.line, finished=datetime.fromtimestamp(ended / 1000, UTC))
            if not progress.position:
                progress.position, progress.line = header.position, header.line
            report = Report(skipped=progress.line - header.line)
            rejects = RejectsFile(self._rejects, file)
            rejects.cut(progress.rejects_size)
            file.seek(progress.position)
            lines = Lines(file, delimiter, progress.line, rows.misfit)
            for batch in batches(lines, rows):
                await self._commit(id, batch, header, lines, progress, rejects)
                report.add(batch)
                self._on_progress(progress)
            await imports_table.move(self._connection, id, progress, ended=True)
        return report

    async def _commit(
        self,
        id: str,  # noqa: A002 - as in the table
        batch: Batch,
        header: Record,
        lines: Lines,
        progress: Progress,
        rejects: RejectsFile,
    ) -> None:
        await self._partitions.ensure({day_of(row) for row in batch.rows})
        async with self._connection.transaction():
            await self._merge(batch)
            progress.rejects_size = rejects.append(batch.rejects, header.fields, progress.rejects_size)
            progress.position, progress.line = lines.position, lines.line
            progress.stored += len(batch.rows)
            progress.rejected += len(batch.rejects)
            await imports_table.move(self._connection, id, progress, ended=False)
        newest: Newest = {}
        add_newest(newest, batch.rows)
        self._latest.offer(newest)

    async def _merge(self, batch: Batch) -> None:
        """Store the rows; those whose key another value has become rejects."""
        if batch.rows and await self._copied(batch.rows):
            return
        merged = await telemetry_table.merge(self._connection, batch.rows)
        batch.reject(dict(merged.conflicts))
        batch.there = len(batch.rows) - merged.new

    async def _copied(self, rows: Sequence[Row]) -> bool:
        """Store the rows if all are new, which is quickly done; False: not one is stored."""
        if self._merged_left:
            self._merged_left -= 1
            return False
        try:
            async with self._connection.transaction():
                await telemetry_table.copy(self._connection, rows, rollup_table.marking(keys_of(rows), rollup_table.NOBODY))
        except (asyncpg.UniqueViolationError, asyncpg.DeadlockDetectedError):  # in the order of the file, not of the key
            self._merged_left = MERGED
            return False
        return True
