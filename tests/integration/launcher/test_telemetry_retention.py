"""What `iotsphere telemetry retention` does to a database."""

import pytest

from ingest import owner_reads
from ingest.retention_rules import Retention
from iotsphere.errors import InvalidInput
from iotsphere.infra.postgres import Pool
from launcher import telemetry_retention as work
from tests.support.registry_rows import add_device

pytestmark = pytest.mark.integration


async def test_an_organization_is_known_or_not_and_has_devices(pool: Pool) -> None:
    async with pool.acquire() as connection:
        await work.known(connection, "default")
        with pytest.raises(InvalidInput, match="no organization nobody"):
            await work.known(connection, "nobody")
        await add_device(connection, "d-1")
        await add_device(connection, "d-2", organization="demo")
        assert await work.devices(connection, "default") == ["d-1"] == await owner_reads.devices_of(pool, "default")


async def test_what_is_set_is_shown(pool: Pool) -> None:
    async with pool.acquire() as connection:
        for wanted in (work.Wanted(None, {"raw": 20, "1d": 400}), work.Wanted("demo", {"raw": 5})):
            now = await work.current(connection, 30)
            await work.put(connection, wanted, work.changed(now, wanted))
        now = await work.current(connection, 30)
        assert (now.raw, now.shorter) == (20, {"demo": 5})
        assert await work.preview(connection, now, {"demo": []}) == []
        assert "nothing goes" in work.render(now, [])
        lifted = work.Wanted("demo", {"raw": 0})
        await work.put(connection, lifted, work.changed(now, lifted))
        assert await work.current(connection, 30) == Retention(20, now.levels)
