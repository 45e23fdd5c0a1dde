"""Sequence numbers as users see them: by run, summed over the fleet, each organization its own."""

from collections.abc import Sequence
from typing import Any

from cloud_api.tenancy import Tenancy
from ingest import arrivals_table, sequences_table
from ingest.arrivals import Arrivals, Entry
from ingest.ledger import SEPARATOR
from tests.support.cloud import TestCloud

Runs = Sequence[tuple[int, int]]
NONE: Runs = ()


async def arrive(
    cloud: TestCloud,
    device: str,
    runs: Runs,
    *,
    organization: str = "default",
    boot: str = "",
    session: int = 0,
    odd: Runs = NONE,
) -> None:
    """What ingest leaves of numbered messages: runs that came, and ranges declared lost."""
    key = SEPARATOR.join((organization, device, str(session), boot))
    lost: list[Entry] = [[first, last, 0, 0] for first, last in odd]
    arrivals = Arrivals(
        keys=[key] * len(runs), firsts=[r[0] for r in runs], lasts=[r[1] for r in runs], newest=[0] * len(runs),
        odd_keys=[key] * len(odd), odd=lost,
    )  # fmt: skip
    async with cloud.parts.telemetry_pool.acquire() as connection, connection.transaction():
        await connection.execute(arrivals_table.insertion(arrivals))
        await sequences_table.fold(connection, [])


async def gaps(cloud: TestCloud, device: str, organization: str = "default", query: str = "") -> dict[str, Any]:
    answer = await (await cloud.member("viewer", organization)).get(f"/api/v1/devices/{device}/gaps{query}")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def test_the_runs_of_a_device_with_what_is_missing(cloud: TestCloud) -> None:
    await cloud.device("pump-1")
    await arrive(cloud, "pump-1", [(1, 10)], session=7)
    await arrive(cloud, "pump-1", [(1, 10), (15, 20), (30, 30), (5, 6)], boot="b1", odd=[(11, 12), (40, 41)])
    found = await gaps(cloud, "pump-1")
    assert (found["device"], found["simulated"]) == ("pump-1", False)
    newest, oldest = found["items"]
    assert newest.pop("first_seen") <= newest.pop("last_seen")
    assert newest == {
        "boot": "b1", "session": None, "lowest": 1, "highest": 30,
        "numbers": {"received": 17, "missing": 11, "declared_lost": 4, "repeated": 2, "late": 0},
        "missing_ranges": [[13, 14], [21, 29]], "declared_ranges": [[11, 12], [40, 41]],
    }  # fmt: skip
    assert (oldest["boot"], oldest["session"], oldest["numbers"]["missing"]) == (None, 7, 0)
    assert len((await gaps(cloud, "pump-1", query="?limit=1"))["items"]) == 1


async def test_a_device_that_numbers_nothing_has_no_runs(cloud: TestCloud) -> None:
    await cloud.device("pump-1", kind="simulated")
    answer = await (await cloud.member("viewer")).get("/api/v1/devices/pump-1/gaps")
    assert answer.json() == {"device": "pump-1", "simulated": True, "items": []}
    assert answer.headers["x-data-source"] == "simulation"


async def test_only_so_many_ranges_are_named_and_all_are_counted(cloud: TestCloud) -> None:
    await cloud.device("pump-1")
    await arrive(cloud, "pump-1", [(n, n) for n in range(0, 2000, 2)], boot="b")
    [run] = (await gaps(cloud, "pump-1"))["items"]
    assert run["numbers"]["missing"] == 999
    assert run["missing_ranges"] == [[n, n] for n in range(1799, 1999, 2)]


async def test_a_transferred_device_shows_its_new_owner_his_own_runs(cloud: TestCloud) -> None:
    await cloud.device("pump-1", "demo")
    await arrive(cloud, "pump-1", [(1, 5), (9, 9)], organization="demo", boot="b")
    await arrive(cloud, "pump-1", [(10, 12)], organization="default", boot="b")
    await cloud.parts.pool.execute("update registry.devices set organization_id = 'default' where id = 'pump-1'")
    [run] = (await gaps(cloud, "pump-1"))["items"]
    assert (run["lowest"], run["highest"], run["numbers"]["missing"]) == (10, 12, 0)
    assert (await (await cloud.member("viewer", "demo")).get("/api/v1/devices/pump-1/gaps")).status_code == 404


async def test_sums_over_the_fleet_are_of_what_the_user_sees(cloud: TestCloud) -> None:
    await arrive(cloud, "a", [(1, 10), (12, 12)], boot="x")
    await arrive(cloud, "b", [(1, 5), (5, 5)], boot="x", odd=[(6, 7)])
    await arrive(cloud, "c", [(1, 100)], organization="demo", boot="x")
    await cloud.parts.telemetry_pool.execute("insert into telemetry.losses (device_id, organization_id) values ('c', 'demo')")
    here = {"received": 16, "missing": 1, "declared_lost": 2, "repeated": 1, "late": 0, "lost": 0}
    there = {"received": 100, "missing": 0, "declared_lost": 0, "repeated": 0, "late": 0, "lost": 1}
    none = dict.fromkeys(here, 0)
    both = {name: here[name] + there[name] for name in here}
    viewer, root = await cloud.member("viewer"), await cloud.member("viewer", every=True)
    for member, query, wanted in [
        (viewer, "", here), (viewer, "?organization=demo", none), (viewer, "?organization=default", here),
        (root, "", both), (root, "?organization=demo", there),
    ]:  # fmt: skip
        assert (await member.get(f"/api/v1/fleet/summary{query}")).json()["numbers"] == wanted, query


async def test_the_tenant_role_sees_the_accounts_of_its_organization(cloud: TestCloud) -> None:
    await arrive(cloud, "c", [(1, 100)], organization="demo", boot="x")
    await cloud.parts.telemetry_pool.execute("insert into telemetry.losses (device_id, organization_id) values ('c', 'demo')")
    for scope, some in (("default", False), ("demo", True), ("*", True), ("", False)):
        async with Tenancy(cloud.parts.pool).transaction(scope) as connection:
            for table in ("telemetry.sequences", "telemetry.losses"):
                assert bool(await connection.fetchval(f"select count(*) from {table}")) is some, (scope, table)
            assert await connection.fetchval("select count(*) from telemetry.arrivals") == 0
