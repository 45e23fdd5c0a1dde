"""Seats of the command line's MQTT clients."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import asyncpg
import pytest

from cloud_api.tenancy import Connection
from iotsphere.errors import InvalidInput
from launcher import service_seat
from launcher.home import Home

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("organization", ["nosuch", "../../elsewhere"])
def test_an_organization_that_is_not_there_leaves_nothing(
    migrated_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, organization: str
) -> None:
    def with_database(work: Callable[[Connection], Awaitable[object]]) -> object:
        async def run() -> object:
            connection = await asyncpg.connect(migrated_dsn)
            try:
                return await work(connection)
            finally:
                await connection.close()

        return asyncio.run(run())

    monkeypatch.setattr(service_seat, "with_database", with_database)
    root = tmp_path / "a" / "home"
    root.mkdir(parents=True)
    with pytest.raises(InvalidInput), service_seat.taken(Home(root), organization, "mqtts://localhost"):
        pass
    assert [path.name for path in tmp_path.rglob("*")] == ["a", "home"]
