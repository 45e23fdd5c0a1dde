"""Real servers for tests: one PostgreSQL and one Valkey a session, started from the wheels unless an address is given."""

import asyncio
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import asyncpg
import redis

from launcher.embedded.postgres import EmbeddedPostgres
from launcher.embedded.valkey import EmbeddedValkey

PORTS = 5  # tried one after the other
ANSWER_SECONDS = 1.0  # and it is asked again
PASSWORD = "test-password"
# Without fsync: a killed process loses nothing by that, and tests make hundreds of databases.
SMALL = {
    "fsync": "off",
    "full_page_writes": "off",
    "shared_buffers": "'64MB'",
    "max_wal_size": "'512MB'",
    "max_connections": "60",
}


MEMORY = Path("/dev/shm")
ROOM_BYTES = 4 << 30


@contextmanager
def room() -> Iterator[Path]:
    """A directory for the files of servers, gone afterwards; in memory where there is enough: a database is hundreds of files."""
    has_room = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free >= ROOM_BYTES
    with TemporaryDirectory(prefix="iotsphere-tests-", dir=MEMORY if has_room else None) as made:
        yield Path(made)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(ready: Callable[[], bool], what: str, timeout: float = 30.0) -> None:
    deadline = time.monotonic() + timeout
    while not ready():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not come up in {timeout} s")
        time.sleep(0.05)


class PortLost(Exception):
    """Another process took the free port before the server bound it."""


class Server:
    """A child process that can be killed and started again.

    Args:
        move: makes the command anew with another free port; None when the port must stay.
    """

    def __init__(self, command: list[str], log: Path, ready: Callable[[], bool], move: Callable[[], list[str]] | None) -> None:
        self._command, self._log, self._ready, self._move = command, log, ready, move
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        for _ in range(PORTS):
            try:
                self._start_once()
            except PortLost:
                assert self._move is not None
                self._command = self._move()
            else:
                self._move = None  # somebody knows the address now
                return
        raise TimeoutError(f"{PORTS} free ports were taken by others")

    def _start_once(self) -> None:
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(self._command, stdout=log, stderr=log, start_new_session=True)
        try:
            wait_until(lambda: self._alive() and self._ready(), self._command[-1])
        except TimeoutError as error:
            self.stop()
            raise TimeoutError(f"{error}: {self._log.read_text()[-2000:]}") from error

    def _alive(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            if self._move is not None and "Address already in use" in self._log.read_text():
                self._log.unlink()
                raise PortLost
            raise TimeoutError(f"{self._command[-1]} ended with {self.process.returncode}")
        return True

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(2 if "postgres" in self._command[-3] else 15)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()


Started = TypeVar("Started", bound=Server)


class PostgresServer(Server):
    """A PostgreSQL of the test's own."""

    def __init__(self, directory: Path, port: int | None = None) -> None:
        self._directory = directory / "postgres"
        command = self._command_on(port or free_port())
        move = None if port else lambda: self._command_on(free_port())
        super().__init__(command, directory / "postgres.log", self._answers, move)

    def _command_on(self, port: int) -> list[str]:
        self.engine = EmbeddedPostgres(self._directory, PASSWORD, port, SMALL)
        self.engine.prepare()
        return self.engine.command()

    def _answers(self) -> bool:
        return asyncio.run(_can_connect(self.engine.admin_dsn))

    def restart_after_kill(self) -> None:
        self.engine.wait_for_orphans()
        self.start()


class ValkeyServer(Server):
    """A Valkey of the test's own."""

    def __init__(self, directory: Path, port: int | None = None) -> None:
        self._directory = directory / "valkey"
        command = self._command_on(port or free_port())
        move = None if port else lambda: self._command_on(free_port())
        super().__init__(command, directory / "valkey.log", self._answers, move)

    def _command_on(self, port: int) -> list[str]:
        self.engine = EmbeddedValkey(self._directory, PASSWORD, port)
        self.engine.prepare()
        self.url = self.engine.url
        return self.engine.command()

    def _answers(self) -> bool:
        try:
            with redis.Redis.from_url(self.url, socket_timeout=ANSWER_SECONDS) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False


async def _can_connect(dsn: str) -> bool:
    try:
        connection = await asyncpg.connect(dsn, timeout=ANSWER_SECONDS)
    except (OSError, asyncpg.PostgresError, TimeoutError):
        return False
    await connection.close()
    return True


@contextmanager
def started(server: Started) -> Iterator[Started]:
    """A server from ready to stopped."""
    server.start()
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def postgres(directory: Path) -> Iterator[str]:
    """The DSN of a maintenance database."""
    if given := os.environ.get("IOTSPHERE_TEST_POSTGRES_DSN"):
        yield given
        return
    with started(PostgresServer(directory)) as server:
        yield server.engine.admin_dsn


@contextmanager
def valkey(directory: Path) -> Iterator[str]:
    """The URL of a server."""
    if given := os.environ.get("IOTSPHERE_TEST_VALKEY_URL"):
        yield given
        return
    with started(ValkeyServer(directory)) as server:
        yield server.url


def execute(dsn: str, statement: str) -> list[tuple[Any, ...]]:
    """Run one statement; the rows that it returns."""

    async def run() -> list[tuple[Any, ...]]:
        connection = await asyncpg.connect(dsn)
        try:
            return [tuple(row) for row in await connection.fetch(statement)]
        finally:
            await connection.close()

    return asyncio.run(run())


def with_database(dsn: str, name: str) -> str:
    return dsn.rsplit("/", 1)[0] + "/" + name
