"""What `up` does to the database before anything uses it: create it, bring it to the newest revision, add the first user."""

import asyncio
import secrets
from pathlib import Path

import asyncpg
import structlog

import migrations
from ingest.engine import prepare
from iotsphere.errors import Misconfigured
from launcher import backup
from launcher.embedded.postgres import DATABASE, EmbeddedPostgres
from launcher.home import ADMIN, Home, write_private

log = structlog.get_logger()

ADMIN_ORGANIZATION = "default"


async def create(server: EmbeddedPostgres) -> None:
    """Create the platform's database in a new server; does nothing when it is there."""
    connection = await asyncpg.connect(server.admin_dsn)
    try:
        if not await connection.fetchval("select true from pg_database where datname = $1", DATABASE):
            await connection.execute(f"create database {DATABASE}")
    finally:
        await connection.close()


async def migrate(home: Home, dsn: str) -> None:
    """Bring the database to the newest revision, after a backup when it holds data of an older one.

    Raises:
        Misconfigured: it is of a newer version of this software, or cannot be reached.
        BackupFailed: nothing was migrated.
    """
    present = await _revision(dsn)
    if present == migrations.head():
        return
    if present is not None:
        if present not in migrations.known():
            raise Misconfigured(
                f"the database is of a newer version (revision {present}): install that version of iotsphere again"
            )
        target = backup.default_name(home, migrations.head())
        await asyncio.to_thread(backup.backup, home, dsn, backup.client_tools(), target)
        log.info("backup before the migration", file=str(target), revision=present)
    await asyncio.to_thread(migrations.upgrade, dsn)
    log.info("database migrated", before=present, now=migrations.head())


async def _revision(dsn: str) -> str | None:
    try:
        return await migrations.current(dsn)
    except (OSError, TimeoutError, asyncpg.PostgresError) as error:
        raise Misconfigured(f"the database of IOTSPHERE_DSN cannot be reached: {error}") from error


async def prepare_telemetry(dsn: str, retention_days: int) -> None:
    """Give the telemetry store the engine that the server has."""
    connection = await asyncpg.connect(dsn)
    try:
        engine = await prepare(connection, retention_days)
    finally:
        await connection.close()
    log.info("telemetry engine", engine=engine.name, why=engine.why)


async def ensure_admin(home: Home, dsn: str) -> None:
    """Add the user ``admin`` with a generated password when there is none; the password is written to the home first."""
    connection = await asyncpg.connect(dsn)
    try:
        if await connection.fetchval("select exists (select from registry.users where id = $1)", ADMIN):
            return
        from cloud_api.domain.users.service import add_user  # here, because it is heavy and needed once

        password = await asyncio.to_thread(_first_password, home.admin_password_file)
        await add_user(connection, ADMIN, password, "admin", ADMIN_ORGANIZATION, all_organizations=True)
    finally:
        await connection.close()


def _first_password(file: Path) -> str:
    if not file.exists():
        write_private(file, secrets.token_urlsafe(15) + "\n")
    return file.read_text().strip()


async def create_roles(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Roles belong to a server, not to a database, so that no dump of ours holds them: make what a dump refers to."""
    if not await connection.fetchval("select exists (select from pg_roles where rolname = 'iotsphere_tenant')"):
        await connection.execute("create role iotsphere_tenant nologin")
    await connection.execute("grant iotsphere_tenant to current_user")
