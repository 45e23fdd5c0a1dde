"""What `up` does to the database before anything uses it."""

import asyncio
import shutil
from pathlib import Path

import asyncpg
import pytest
from alembic import command

import migrations
from cloud_api.domain.users import table as users
from cloud_api.passwords import PasswordChecker
from iotsphere.errors import Misconfigured
from launcher import database
from launcher.home import Home
from tests.support import servers

pytestmark = pytest.mark.integration

NEXT = """
from alembic import op
revision = "9999"
down_revision = "{before}"
def upgrade() -> None:
    op.execute("create table public.made_by_9999 (n int)")
"""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path / "home")
    made.prepare()
    (made.root / "certs").mkdir()
    return made


@pytest.fixture
def newer_history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The history of a later version of this software."""
    before, copy = migrations.head(), tmp_path / "migrations"
    shutil.copytree(migrations.HERE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "versions" / "9999_next.py").write_text(NEXT.format(before=before))
    monkeypatch.setattr(migrations, "HERE", copy)


async def test_a_new_database_gets_all_tables_and_no_backup(home: Home, postgres_dsn: str) -> None:
    await database.migrate(home, postgres_dsn)
    assert await migrations.current(postgres_dsn) == migrations.head()
    assert list(home.backups.iterdir()) == []


async def test_an_older_database_is_migrated_after_a_backup(home: Home, migrated_dsn: str, newer_history: None) -> None:
    await database.migrate(home, migrated_dsn)
    assert await migrations.current(migrated_dsn) == "9999"
    (saved,) = home.backups.iterdir()
    assert saved.stat().st_size > 10_000
    assert saved.stat().st_mode & 0o777 == 0o600


async def test_a_home_of_the_first_version_gets_what_came_since(home: Home, postgres_dsn: str) -> None:
    await asyncio.to_thread(command.upgrade, migrations.config(postgres_dsn), "0001")
    await database.migrate(home, postgres_dsn)
    assert await migrations.current(postgres_dsn) == migrations.head()
    assert len(list(home.backups.iterdir())) == 1
    connection = await asyncpg.connect(postgres_dsn)
    assert await connection.fetchval("select telemetry.numbers('{[1,3),[7,8)}')") == 3
    await connection.close()


async def test_a_newer_database_is_left_alone(home: Home, migrated_dsn: str) -> None:
    connection = await asyncpg.connect(migrated_dsn)
    await connection.execute("update alembic_version set version_num = 'later'")
    await connection.close()
    with pytest.raises(Misconfigured, match="newer version"):
        await database.migrate(home, migrated_dsn)


async def test_a_database_that_is_away_is_named(home: Home) -> None:
    with pytest.raises(Misconfigured, match="cannot be reached"):
        await database.migrate(home, f"postgresql://x:y@127.0.0.1:{servers.free_port()}/z")


async def test_the_first_user_is_made_once(home: Home, migrated_dsn: str) -> None:
    await database.ensure_admin(home, migrated_dsn)
    password = home.admin_password_file.read_text().strip()
    assert home.admin_password_file.stat().st_mode & 0o777 == 0o600
    await database.ensure_admin(home, migrated_dsn)
    connection = await asyncpg.connect(migrated_dsn)
    row = await users.find(connection, "admin")
    await connection.close()
    assert row is not None
    assert (row.role, row.organization, row.all_organizations) == ("admin", "default", True)
    assert await PasswordChecker().matches(row.password_hash, password)
    assert home.admin_password_file.read_text().strip() == password
