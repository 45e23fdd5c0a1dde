"""The one Alembic history of the database, in raw SQL. `upgrade` is what `iotsphere up` and the tests call."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.engine import Connection
from sqlalchemy.ext.asyncio import create_async_engine

HERE = Path(__file__).parent


def config(dsn: str) -> Config:
    """Alembic's configuration for a database given as a `postgresql://` DSN."""
    made = Config()
    made.set_main_option("script_location", str(HERE))
    made.attributes["dsn"] = dsn
    return made


def head() -> str:
    """The newest revision that this version of the software knows."""
    found = ScriptDirectory(str(HERE)).get_current_head()
    assert found is not None  # noqa: S101 - the history is part of the package
    return found


def known() -> frozenset[str]:
    """Every revision that this version of the software knows."""
    return frozenset(script.revision for script in ScriptDirectory(str(HERE)).walk_revisions())


async def current(dsn: str) -> str | None:
    """The revision of a database; None for an empty one."""
    engine = create_async_engine(driver_url(dsn))
    try:
        async with engine.connect() as connection:
            return await connection.run_sync(_revision)
    finally:
        await engine.dispose()


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def upgrade(dsn: str) -> None:
    """Bring a database to the newest revision. Runs its own event loop: call it from a thread where one runs already."""
    command.upgrade(config(dsn), "head")


def driver_url(dsn: str) -> str:
    """The DSN with the driver that SQLAlchemy shall use."""
    return dsn.replace("postgresql://", "postgresql+asyncpg://", 1)
