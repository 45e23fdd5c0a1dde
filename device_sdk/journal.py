"""The outbox on disk: an SQLite file from which a device that was killed goes on.

One transaction for each set of changes, in a write-ahead log. With ``synchronous = full`` (the default) a commit has reached the
disk when attempt() returns and outlives a loss of power; with ``normal`` it outlives the end of the process only, and is
several times as fast.
"""

import logging
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Literal, TypeVar

import msgspec

from device_sdk.changes import Changes, Kept
from device_sdk.gaps import Gap
from device_sdk.outbox import Entry, Stream
from iotsphere.errors import Misconfigured, TemporaryError

log = logging.getLogger("device_sdk")
Synchronous = Literal["full", "normal"]
REMEMBERED = 1000  # commands whose answer is kept in case the request comes again; policy: forget the oldest
VERSION = 1
WAL_BYTES = 4 * 1024 * 1024

_SCHEMA = f"""
begin;
create table entry (id integer primary key, stream integer not null, topic text not null, body blob not null,
                    rank integer not null, at real not null, boot text not null, seq integer not null, count integer not null);
create table gap (boot text not null, first integer not null, last integer not null);
create table command (place integer primary key autoincrement, id text not null unique, answer blob);
create table run (device text not null, boot text not null, seq integer not null);
pragma user_version = {VERSION};
commit;
"""
_ADD = "insert into entry values (?, ?, ?, ?, ?, ?, ?, ?, ?)"
_COMMAND = "insert into command (id, answer) values (?, ?) on conflict (id) do update set answer = excluded.answer"
_FORGET = "delete from command where place <= (select max(place) from command) - ?"
_T = TypeVar("_T")


class OutboxUnavailable(TemporaryError):
    """The disk does not take what was to be kept: it is full, or broken. Nothing of it was kept, and nothing will be sent."""


class Journal:
    """The file of one device, which no other process may have open. Used by one thread at a time.

    Args:
        path: made when it is missing.
        device: whose it is.
    """

    def __init__(self, path: Path, device: str, synchronous: Synchronous = "full") -> None:
        self.path = path
        self._device, self._synchronous = device, synchronous
        self._connection: sqlite3.Connection | None = None
        self._lock = threading.Lock()
        self._failing = False

    def load(self) -> Kept:
        """Open the file; what an earlier run has left in it. A damaged file is put aside, and said so.

        Raises:
            Misconfigured: it cannot be opened, is another device's, or another process has it open.
        """
        try:
            return self._load_or_begin_anew()
        except (OSError, sqlite3.DatabaseError) as error:
            held = "; another program has it open" if _code(error) == sqlite3.SQLITE_BUSY else ""
            raise Misconfigured(f"the outbox {self.path} cannot be used: {error}{held}") from error

    def _load_or_begin_anew(self) -> Kept:
        self.path.touch(mode=0o600)  # readings are nobody else's business
        try:
            return self._load()
        except sqlite3.DatabaseError as error:
            if not _is_damage(error):
                raise
            self._put_aside(error)
        self.path.touch(mode=0o600)
        return self._load()

    def attempt(self, changes: Changes) -> OutboxUnavailable | None:
        """Write everything, or nothing; returns what was in the way."""
        with self._lock:
            try:
                self._write(self._open(), changes)
            except sqlite3.Error as error:
                if self._connection is not None and self._connection.in_transaction:
                    self._connection.rollback()
                return self._failed(error)
            self._worked()
            return None

    def _failed(self, error: sqlite3.Error) -> OutboxUnavailable:
        if not self._failing:
            log.error("the outbox %s takes nothing: %s", self.path, error)
        self._failing = True
        return OutboxUnavailable(f"the outbox {self.path} takes nothing: {error}")

    def _worked(self) -> None:
        if self._failing:
            log.warning("the outbox %s takes messages again", self.path)
        self._failing = False

    def close(self) -> None:
        """Let go of the file; the next use opens it again."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    # ── with the lock ──────────────────────────────────────────────────────────────────────────────────────────────

    def _load(self) -> Kept:
        with self._lock:
            try:
                return self._read(self._open())
            except (ValueError, msgspec.ValidationError) as error:  # a text that is no UTF-8, a row that no version has written
                raise sqlite3.DatabaseError(f"it holds what was never written: {error}") from error

    def _read(self, connection: sqlite3.Connection) -> Kept:
        runs = _rows(connection, "select device, boot, seq from run", tuple[str, str, int])
        device, boot, seq = runs[0] if runs else (self._device, "", 0)
        if device != self._device:
            raise Misconfigured(f"the outbox {self.path} belongs to the device {device}")
        entries = _rows(connection, "select * from entry order by id", tuple[int, int, str, bytes, int, float, str, int, int])
        gaps = _rows(connection, "select boot, first, last from gap order by rowid", tuple[str, int, int])
        commands = _rows(connection, "select id, answer from command order by place", tuple[str, bytes | None])
        return Kept(boot, seq, [_entry(row) for row in entries], [Gap(*row) for row in gaps], dict(commands))

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            # One thread at a time, by the lock, but not always the same one.
            connection = sqlite3.connect(self.path, timeout=1.0, isolation_level=None, check_same_thread=False)
            try:
                _prepare(connection, self._synchronous)
            except BaseException:
                connection.close()
                raise
            self._connection = connection
        return self._connection

    def _write(self, connection: sqlite3.Connection, changes: Changes) -> None:
        connection.execute("begin immediate")
        connection.executemany(_ADD, [_row(entry) for entry in changes.entries])
        connection.executemany("delete from entry where id = ?", [(number,) for number in changes.acknowledged])
        if changes.gaps is not None:
            connection.execute("delete from gap")
            connection.executemany("insert into gap values (?, ?, ?)", changes.gaps)
        if changes.commands:
            connection.executemany(_COMMAND, list(changes.commands.items()))
            connection.execute(_FORGET, (REMEMBERED,))
        run = (changes.boot, changes.seq, self._device)
        if connection.execute("update run set boot = ?, seq = ? where device = ?", run).rowcount == 0:
            connection.execute("insert into run (boot, seq, device) values (?, ?, ?)", run)
        connection.execute("commit")

    def _put_aside(self, error: sqlite3.Error) -> None:
        self.close()
        aside = self.path.with_name(f"{self.path.name}.damaged-{time.time_ns()}")
        self.path.rename(aside)
        for tail in ("-wal", "-shm"):
            self.path.with_name(self.path.name + tail).unlink(missing_ok=True)
        log.error("the outbox %s is damaged (%s): a new one is begun, the old one is kept as %s", self.path, error, aside.name)


def _prepare(connection: sqlite3.Connection, synchronous: Synchronous) -> None:
    connection.execute("pragma locking_mode = exclusive")  # no second process, and no shared memory beside the file
    connection.execute("pragma journal_mode = wal")
    connection.execute(f"pragma synchronous = {'full' if synchronous == 'full' else 'normal'}")
    connection.execute(f"pragma journal_size_limit = {WAL_BYTES}")
    with closing(connection.execute("pragma user_version")) as found:
        version = found.fetchone()[0]
    if version == 0:
        connection.executescript(_SCHEMA)
    elif version != VERSION:
        raise Misconfigured(f"the outbox is of version {version}; this program knows {VERSION}")


def _is_damage(error: sqlite3.DatabaseError) -> bool:
    """Whether the file is at fault: also when tables are not those that were made, or SQLite's message is no text."""
    return not isinstance(error, sqlite3.OperationalError) or _code(error) in (None, sqlite3.SQLITE_ERROR)


def _code(error: Exception) -> int | None:
    return getattr(error, "sqlite_errorcode", None)  # what did not come from SQLite has none


def _rows(connection: sqlite3.Connection, query: str, kind: type[_T]) -> list[_T]:
    """All rows, of exactly these types: in SQLite any column may hold anything."""
    rows = connection.execute(query).fetchall()
    return msgspec.convert(rows, list[kind], builtin_types=(bytes,))  # type: ignore[valid-type]


def _row(entry: Entry) -> tuple[object, ...]:
    return (
        entry.id, int(entry.stream), entry.topic, entry.body, entry.rank, entry.at, entry.boot, entry.seq, entry.count,
    )  # fmt: skip


def _entry(row: tuple[int, int, str, bytes, int, float, str, int, int]) -> Entry:
    number, stream, topic, body, rank, at, boot, seq, count = row
    return Entry(Stream(stream), topic, body, rank, at, boot, seq, count, number)
