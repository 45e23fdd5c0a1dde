"""Simulated devices in the registry and their files."""

import os
from pathlib import Path

import asyncpg
import pytest

from certs.authority import open_authority
from iotsphere.devices import device_types
from launcher import simulated
from launcher.enrol import Enrolment, enrol
from launcher.home import Endpoints, Home

pytestmark = pytest.mark.integration

TYPE = next(iter(device_types()))


@pytest.fixture
async def where(migrated_dsn: str) -> Endpoints:
    connection = await asyncpg.connect(migrated_dsn)
    await connection.execute("insert into registry.organizations (id, name) values ('demo', 'Demo') on conflict do nothing")
    await connection.close()
    return Endpoints(
        "http://localhost:1",
        "mqtts://localhost:2",
        "wss://localhost:4/mqtt",
        migrated_dsn,
        "redis://unused",
        "http://127.0.0.1:3",
    )


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path / "home")
    made.prepare()
    open_authority(made.certs)
    return made


async def names(home: Home, where: Endpoints, count: int, *, earlier: bool) -> list[str]:
    return [one.id for one in await simulated.ensure(home, where, "demo", TYPE, count, earlier=earlier)]


async def test_devices_of_an_earlier_larger_fleet_go_on(home: Home, where: Endpoints) -> None:
    all_four = await names(home, where, 4, earlier=True)
    assert await names(home, where, 2, earlier=True) == all_four
    assert await names(home, where, 0, earlier=True) == all_four
    assert await names(home, where, 2, earlier=False) == all_four[:2]


async def test_only_those_in_service_with_a_name_of_ours_are_taken_along(home: Home, where: Endpoints) -> None:
    first, second, third = await names(home, where, 3, earlier=True)
    connection = await asyncpg.connect(where.dsn)
    await enrol(connection, open_authority(home.certs), Enrolment([f"{first[:-4]}mine", "x"], TYPE, "demo", simulated=True))
    await connection.execute("update registry.devices set status = 'retired' where id = $1", third)
    await connection.close()
    assert await names(home, where, 1, earlier=True) == [first, second]


async def test_lost_files_of_earlier_devices_are_made_anew(home: Home, where: Endpoints) -> None:
    found = await names(home, where, 2, earlier=True)
    os.unlink(home.devices / "demo" / f"{found[1]}.key")
    await names(home, where, 1, earlier=True)
    assert (home.devices / "demo" / f"{found[1]}.key").exists()
