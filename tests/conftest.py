"""Fixtures for every tier. Helpers are in tests/support."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
import redis

import migrations
from tests.support import servers
from tests.support.loops import LOOPS, Loops
from tests.support.pki import Pki

_numbers = itertools.count()

# A busy machine is no failure of the code: examples have no deadline, whole tests have their own bounds.
hypothesis.settings.register_profile("here", deadline=None)
hypothesis.settings.load_profile("here")


def pytest_asyncio_loop_factories(item: pytest.Item) -> Loops:
    """Those that the test's mark `loops` names, else asyncio's."""
    mark = item.get_closest_marker("loops")
    return {name: LOOPS[name] for name in (mark.args if mark else ("asyncio",))}


@pytest.fixture(scope="session")
def server_room() -> Iterator[Path]:
    with servers.room() as room:
        yield room


@pytest.fixture(scope="session")
def postgres_admin(server_room: Path) -> Iterator[str]:
    with servers.postgres(server_room) as dsn:
        yield dsn


@pytest.fixture(scope="session")
def migrated_template(postgres_admin: str) -> str:
    servers.execute(postgres_admin, "drop database if exists migrated_template")
    servers.execute(postgres_admin, "create database migrated_template")
    migrations.upgrade(servers.with_database(postgres_admin, "migrated_template"))
    return "migrated_template"


@pytest.fixture
def postgres_dsn(postgres_admin: str) -> Iterator[str]:
    """An empty database."""
    yield from _database(postgres_admin, "template1")


@pytest.fixture
def migrated_dsn(postgres_admin: str, migrated_template: str) -> Iterator[str]:
    """A database with all tables."""
    yield from _database(postgres_admin, migrated_template)


def _database(admin: str, template: str) -> Iterator[str]:
    name = f"test_{next(_numbers)}"
    servers.execute(admin, f"create database {name} template {template} strategy wal_log")
    yield servers.with_database(admin, name)
    servers.execute(admin, f"drop database {name} with (force)")


@pytest.fixture(scope="session")
def valkey_server(server_room: Path) -> Iterator[str]:
    with servers.valkey(server_room) as url:
        yield url


@pytest.fixture
def valkey_url(valkey_server: str) -> str:
    """An empty Valkey."""
    with redis.Redis.from_url(valkey_server) as client:
        client.flushall()
    return valkey_server


@pytest.fixture
def own_postgres() -> Iterator[servers.PostgresServer]:
    """A server that the test may kill, with all tables."""
    with servers.room() as room, servers.started(servers.PostgresServer(room)) as server:
        migrations.upgrade(server.engine.admin_dsn)
        yield server


@pytest.fixture
def own_valkey() -> Iterator[servers.ValkeyServer]:
    """A server that the test may kill."""
    with servers.room() as room, servers.started(servers.ValkeyServer(room)) as server:
        yield server


@pytest.fixture
def pki(tmp_path: Path) -> Pki:
    """A certificate authority of the test's own."""
    return Pki.create(tmp_path)
