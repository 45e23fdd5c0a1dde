"""`iotsphere restore`: a backup becomes a new installation."""

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg

from ingest import timescale_table
from iotsphere.settings import Settings
from launcher import backup, database, plan
from launcher.embedded.postgres import EmbeddedPostgres
from launcher.home import LOOPBACK, Home
from launcher.lock import HomeLock
from launcher.ports import claim
from launcher.supervisor import Step, Stop, Supervisor


def restore(settings: Settings, home: Home, source: Path) -> None:
    """Unpack certificates and secrets into an empty home and fill an empty database.

    Raises:
        Misconfigured: the home is not empty, or the file is no backup.
        BackupFailed: the database was not filled; nothing is left in the home.
    """
    tools = backup.client_tools()
    home.prepare_run()
    lock = HomeLock(home.lock_file)
    lock.acquire()
    try:
        backup.check_empty(home)
        with _all_or_nothing(home):
            dump = backup.restore_files(home, source)
            if settings.dsn:
                asyncio.run(fill(settings.dsn, tools, dump))
            else:
                asyncio.run(_fill_embedded(home, tools, dump))
    finally:
        lock.release()


@contextlib.contextmanager
def _all_or_nothing(home: Home) -> Iterator[None]:
    try:
        yield
    except BaseException:
        for made in (home.certs, home.secrets, home.postgres):
            shutil.rmtree(made, ignore_errors=True)
        (home.root / backup.DUMP).unlink(missing_ok=True)
        raise


async def _fill_embedded(home: Home, tools: Path, dump: Path) -> None:
    port = claim(LOOPBACK, 0, "IOTSPHERE_POSTGRES_PORT")
    server = EmbeddedPostgres(home.postgres, home.secret("postgres-password"), port)

    async def prepare() -> None:
        await database.create(server)
        await fill(server.dsn, tools, dump)

    stop = Stop()
    await Supervisor(home, [Step([plan.postgres_program(home, server)], prepare)], stop).run(stop.ask)
    home.state_file.unlink(missing_ok=True)


async def fill(dsn: str, tools: Path, dump: Path) -> None:
    """Fill an empty database from a dump.

    Raises:
        BackupFailed: pg_restore failed.
    """
    async with _connected(dsn) as connection:
        await database.create_roles(connection)
    if await asyncio.to_thread(backup.holds_timescale, tools, dump):
        await _fill_timescale(dsn, tools, dump)
    else:
        await asyncio.to_thread(backup.restore_database, dsn, tools, dump)


async def _fill_timescale(dsn: str, tools: Path, dump: Path) -> None:
    """Its catalogue comes from the dump as well: meanwhile the extension must not act on what is written."""
    async with _connected(dsn) as connection:
        try:
            await timescale_table.before_restore(connection)
        except asyncpg.InsufficientPrivilegeError as error:
            raise backup.BackupFailed(f"only a superuser of its server restores a database with TimescaleDB: {error}") from error
    try:
        await asyncio.to_thread(backup.restore_database, dsn, tools, dump)
    finally:
        async with _connected(dsn) as connection:
            await timescale_table.after_restore(connection)


@contextlib.asynccontextmanager
async def _connected(dsn: str) -> "AsyncIterator[asyncpg.Connection[asyncpg.Record]]":
    connection = await asyncpg.connect(dsn)
    try:
        yield connection
    finally:
        await connection.close()
