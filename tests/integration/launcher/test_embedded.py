"""The embedded servers: passwords only, restart after a kill, data kept."""

import asyncio
import os
import shutil
from pathlib import Path

import asyncpg
import pytest
import redis

import migrations
from launcher.embedded import postgres
from tests.support import servers

pytestmark = pytest.mark.integration


def test_postgres_asks_for_the_password(postgres_admin: str) -> None:
    without = postgres_admin.replace(servers.PASSWORD, "wrong")
    with pytest.raises(asyncpg.InvalidPasswordError):
        asyncio.run(asyncpg.connect(without))


def test_valkey_asks_for_the_password(valkey_url: str) -> None:
    with (
        pytest.raises(redis.AuthenticationError),
        redis.Redis.from_url(valkey_url.replace(f":{servers.PASSWORD}@", "")) as client,
    ):
        client.ping()


def test_committed_rows_survive_a_kill_of_the_postmaster(tmp_path: Path) -> None:
    server = servers.PostgresServer(tmp_path)
    server.start()
    try:
        servers.execute(server.engine.admin_dsn, "create table kept as select 1 as n")
        server.kill()
        server.restart_after_kill()
        assert servers.execute(server.engine.admin_dsn, "select n from kept") == [(1,)]
    finally:
        server.stop()


def test_an_empty_database_is_migrated_to_the_head(postgres_dsn: str) -> None:
    migrations.upgrade(postgres_dsn)
    assert asyncio.run(migrations.current(postgres_dsn)) == migrations.head()
    migrations.upgrade(postgres_dsn)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives PostgreSQL a user of its own")
def test_root_runs_postgres_from_below_a_directory_that_nobody_else_may_walk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    wheel = postgres.tools().parents[1]
    for part in (wheel, wheel.with_name(f"{wheel.name}.libs")):
        shutil.copytree(part, private / part.name, symlinks=True)
    monkeypatch.setattr(postgres, "tools", lambda: private / wheel.name / "pginstall" / "bin")
    server = servers.PostgresServer(private)
    server.start()
    server.stop()
