"""Commits batches: over two connections of its own, whatever is wrong with the server or with one row."""

import asyncio
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING

import asyncpg
import structlog

from ingest import arrivals_table, dead_letters_table, losses_table, rollup_table, telemetry_table
from ingest.batch import Batch, DeadLetter, Row, Rows, letter, text_of
from ingest.metrics import IngestMetrics
from ingest.partitions import Partitions
from ingest.precedence import Precedence, Turn
from ingest.rollup_marks import Marks, Needed, keys_of
from iotsphere.infra.postgres import AWAY, Patience, wait_out

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]

log = structlog.get_logger()

CONNECTIONS = 2  # one encodes while the other one's commit is on its way to the disk
STAGING_BATCHES = 20  # after a violation: with 1 % duplicates COPY first would fail in every batch and cost half the rate
CONNECT_SECONDS = 10.0
# The fault is in a value: classes 22 and 23 of SQLSTATE, and what the driver says of a value that it cannot encode.
UNSTORABLE = (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError, TypeError, ValueError, OverflowError)
# Two transactions were in each other's way: this one was rolled back and simply goes again.
IN_THE_WAY = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError)


@dataclass(slots=True)
class Outcome:
    """What a commit left: rows that are in the table now, by list, and dead letters."""

    rows: list[list[Row]] = field(default_factory=list)
    letters: list[DeadLetter] = field(default_factory=list)

    def add(self, other: "Outcome") -> None:
        """Take in another one."""
        self.rows += other.rows
        self.letters += other.letters


class Slot:
    """One connection, made when it is needed, and how far it is trusted.

    Args:
        marks: shared by the connections of one writer; None when no batch relies on earlier marks.
    """

    def __init__(self, dsn: str, marks: Marks | None = None) -> None:
        self._dsn = dsn
        self._marks = marks
        self._connection: Connection | None = None
        self.staging_left = 0
        self.turn = Turn(())  # of the batch that it has at present

    async def connection(self) -> "Connection":
        """The connection, ready to write."""
        if self._connection is None or self._connection.is_closed():
            settings = {"application_name": "iotsphere ingest", "jit": "off"}
            opened = await asyncpg.connect(self._dsn, timeout=CONNECT_SECONDS, command_timeout=30, server_settings=settings)
            try:
                await telemetry_table.prepare(opened)
                await self._stand_for_marks(opened)
            except BaseException:
                opened.terminate()
                raise
            self._connection = opened
        return self._connection

    async def _stand_for_marks(self, connection: "Connection") -> None:
        if self._marks is None:
            return
        if not self._marks.writer:
            number = await rollup_table.next_writer(connection)
            self._marks.writer = self._marks.writer or number  # the other connection may have been faster
        await rollup_table.stand_for(connection, self._marks.writer)
        self._marks.forget()

    def suspect(self) -> None:
        """Rows may be in the table without our knowing: the next batches go through staging."""
        self.staging_left = STAGING_BATCHES

    def drop(self) -> None:
        """The connection is of no use; what it was committing may be committed."""
        self.suspect()
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    async def close(self) -> None:
        """End."""
        if self._connection is not None:
            await self._connection.close(timeout=5)


class Store:
    """Commits batches, two at a time. Waits out an absent server; loses nothing.

    Args:
        dsn: the telemetry database.
        partitions: told when a day turns out to have none.
        marks: of this writer, shared with its roller.
    """

    def __init__(self, dsn: str, partitions: Partitions, metrics: IngestMetrics, marks: Marks | None = None) -> None:
        self._partitions = partitions
        self._metrics = metrics
        self._marks = marks or Marks()
        self._patience = Patience("telemetry")
        self._precedence = Precedence()
        self._slots = [Slot(dsn, self._marks) for _ in range(CONNECTIONS)]
        self._free: asyncio.LifoQueue[Slot] = asyncio.LifoQueue()
        for slot in self._slots:
            self._free.put_nowait(slot)

    async def close(self) -> None:
        """Close the connections."""
        for slot in self._slots:
            await slot.close()

    async def store(self, batch: Batch) -> Outcome:
        """Commit a batch. Cancel it to give up: what was not acknowledged comes again."""
        missing = self._partitions.missing(batch.days)
        if missing:
            return await self._store_around(batch, missing)
        slot = await self._free.get()
        try:
            copies = bool(batch.fresh) and not slot.staging_left
            with self._marks.flight(), self._precedence.turn(copies=copies) as slot.turn:
                return await self._commit(slot, batch)
        except asyncio.CancelledError:
            slot.drop()
            raise
        finally:
            self._free.put_nowait(slot)

    async def _store_around(self, batch: Batch, missing: set[int]) -> Outcome:
        """Only the readings of the missing days wait for their partitions."""
        ready, waiting = batch.without(missing)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._make(missing), name="ingest-make-partitions")
            outcome = await self.store(ready) if ready.size() else Outcome()
        outcome.add(await self.store(waiting))
        return outcome

    async def _make(self, days: set[int]) -> None:
        await wait_out(self._patience, lambda: self._partitions.ensure(days))

    async def _commit(self, slot: Slot, batch: Batch) -> Outcome:
        partitions_checked = False
        while True:
            try:
                outcome = await self._write(slot, batch)
            except asyncpg.CheckViolationError as error:  # no partition for a row: somebody has dropped it meanwhile
                if partitions_checked:
                    return await self._isolate(slot, batch, error)
                partitions_checked = True
                self._partitions.forget(batch.days)
                await self._make(batch.days)
            except UNSTORABLE as error:
                return await self._isolate(slot, batch, error)
            except IN_THE_WAY:
                slot.suspect()
            except (*AWAY, asyncpg.PostgresError) as error:
                slot.drop()
                self._metrics.away.set(1)
                await self._patience.lost(error)
            else:
                self._patience.back()
                self._metrics.away.set(0)
                return outcome

    async def _write(self, slot: Slot, batch: Batch) -> Outcome:
        connection = await slot.connection()
        needed, riders = self._riders(batch)
        outcome = await self._write_over(slot, connection, batch, riders)
        self._marks.committed(needed)
        return outcome

    def _riders(self, batch: Batch) -> tuple[Needed, str]:
        """What is committed with the rows: the statement that keeps the account, and the one that marks their minutes."""
        riders = [arrivals_table.insertion(batch.arrivals)] if batch.arrivals else []
        needed = self._marks.needed(keys_of(chain(batch.fresh.rows, batch.doubtful.rows)))
        if needed.keys:
            riders.append(rollup_table.marking(needed.keys, self._marks.writer))
        return needed, "; ".join(riders)

    async def _write_over(self, slot: Slot, connection: "Connection", batch: Batch, riders: str) -> Outcome:
        if slot.staging_left == 0:
            try:
                return await _copy_first(connection, batch, riders, slot.turn)
            except asyncpg.UniqueViolationError:
                slot.suspect()
        slot.staging_left -= 1
        self._metrics.staged.inc()
        async with connection.transaction():
            await _note(connection, batch, riders)
            return await _merge(connection, batch.fresh.followed_by(batch.doubtful), batch.letters, slot.turn)

    async def _isolate(self, slot: Slot, batch: Batch, error: Exception) -> Outcome:
        """A value cannot be stored: halve the batch until it is alone, and put it to the dead letters."""
        if batch.size() <= 1:
            return await self._give_up(slot, batch, error)
        self._metrics.split.inc()
        outcome = Outcome()
        for half in batch.halves():
            outcome.add(await self._commit(slot, half))
        return outcome

    async def _give_up(self, slot: Slot, batch: Batch, error: Exception) -> Outcome:
        if batch.letters:
            log.error("a dead letter cannot be kept", letter=repr(batch.letters[0]), error=str(error))
            self._metrics.lost_letters.inc()
            return await self._commit(slot, Batch(arrivals=batch.arrivals, lost=[batch.letters[0].device]))
        if not batch.size():
            log.error("the account cannot be kept", numbers=repr(batch.arrivals)[:1000], lost=batch.lost, error=str(error))
            return Outcome()
        rows = batch.fresh if len(batch.fresh) else batch.doubtful
        buried = letter(rows.origin(0), rows.rows[0][2], "store", str(error) or type(error).__name__)
        return await self._commit(slot, Batch(letters=[buried], arrivals=batch.arrivals))


async def _copy_first(connection: "Connection", batch: Batch, riders: str, turn: Turn) -> Outcome:
    fresh = batch.fresh.rows
    if fresh and not batch.doubtful and not batch.letters:
        await telemetry_table.copy(connection, fresh, riders)  # a transaction of its own
        return Outcome([fresh])
    async with connection.transaction():
        await _note(connection, batch, riders)
        if fresh:
            await telemetry_table.copy(connection, fresh)
        outcome = await _merge(connection, batch.doubtful, batch.letters, turn)
    outcome.rows.append(fresh)
    return outcome


async def _note(connection: "Connection", batch: Batch, riders: str) -> None:
    if riders:
        await connection.execute(riders)
    await losses_table.insert(connection, batch.lost)


async def _merge(connection: "Connection", rows: Rows, letters: list[DeadLetter], turn: Turn) -> Outcome:
    """Within a transaction: rows through staging, and all letters."""
    conflicts = await _add(connection, rows.rows, turn) if rows else []
    buried = letters + [conflict(rows, position, stored) for position, stored in conflicts]
    await dead_letters_table.insert(connection, buried)
    if not conflicts:
        return Outcome([rows.rows], buried)
    refused = {position for position, _ in conflicts}
    return Outcome([[row for position, row in enumerate(rows.rows) if position not in refused]], buried)


async def _add(connection: "Connection", rows: list[Row], turn: Turn) -> list[tuple[int, float | None]]:
    await telemetry_table.stage(connection, rows)
    await turn.come()
    return (await telemetry_table.add_staged(connection, len(rows))).conflicts


def conflict(rows: Rows, position: int, stored: float | None) -> DeadLetter:
    """The letter of a row whose key another value has."""
    _, moment, measurement, value, _ = rows.rows[position]
    reason = f"{measurement} at {text_of(moment)} is {stored} already, not {float(value)}: the first value stays"
    return letter(rows.origin(position), measurement, "conflict", reason)
