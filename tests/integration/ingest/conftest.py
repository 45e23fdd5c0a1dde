"""A PostgreSQL that a test may kill."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import migrations
from tests.support import servers


@pytest.fixture
def own_postgres(tmp_path: Path) -> Iterator[servers.PostgresServer]:
    server = servers.PostgresServer(tmp_path)
    server.start()
    servers.execute(server.engine.admin_dsn, "create database own")
    migrations.upgrade(servers.with_database(server.engine.admin_dsn, "own"))
    try:
        yield server
    finally:
        server.stop()
