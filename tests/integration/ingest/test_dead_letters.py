"""What is kept of dead letters, for how long, and who sees it."""

from datetime import UTC, datetime, timedelta

import pytest

from cloud_api.tenancy import Tenancy
from ingest import dead_letters_table as table
from ingest.batch import DeadLetter
from ingest.dead_letters_table import Bounds, Selection
from iotsphere.infra.postgres import Pool
from iotsphere.registry import DeviceRecord

pytestmark = pytest.mark.integration


def letter(device: str = "d-1", category: str = "clock", reason: str = "2 h ahead", **more: object) -> DeadLetter:
    record = DeviceRecord(device, str(more.get("organization", "default")), "", "device", "active")
    payload = more.get("payload", b"{}")
    assert isinstance(payload, bytes)
    return DeadLetter(record, f"iot/v1/{device}/telemetry", payload, None, category, reason, 1_700_000_000_000)


async def bury(pool: Pool, *letters: DeadLetter) -> None:
    async with pool.acquire() as connection, connection.transaction():
        await table.insert(connection, letters)


async def test_a_page_holds_what_is_asked_for_newest_first(pool: Pool) -> None:
    await bury(pool, letter(), letter("d-2"), letter(category="store", reason="100 % odd"), letter(reason="3 H Ahead"))
    everything = await table.page(pool, Selection(), None, 10)
    assert [row.id for row in everything] == [4, 3, 2, 1]
    assert [row.id for row in await table.page(pool, Selection(), 3, 1)] == [2]
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    for selection, ids in [
        (Selection(device="d-2"), [2]),
        (Selection(category="clock", device="d-1"), [4, 1]),
        (Selection(reason="h ahead"), [4, 2, 1]),
        (Selection(reason="%"), [3]),
        (Selection(ids=[1, 3, 99]), [3, 1]),
        (Selection(organization="demo"), []),
        (Selection(start=tomorrow), []),
        (Selection(end=tomorrow), [4, 3, 2, 1]),
    ]:
        assert [row.id for row in await table.page(pool, selection, None, 10)] == ids, selection
    assert everything[0].received_at == datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)


async def test_only_the_beginning_of_what_is_wrong_in_itself_is_kept_and_that_is_said(pool: Pool) -> None:
    await bury(pool, letter(payload=b"x" * 5000), letter(category="conflict", payload=b"x" * 5000))
    whole, cut = await table.page(pool, Selection(), None, 10)
    assert (cut.size, cut.cut, whole.size, whole.cut) == (5000, True, 5000, False)


async def test_what_is_too_old_or_too_much_goes_oldest_first_and_is_counted(pool: Pool) -> None:
    await bury(pool, *(letter(payload=b"x" * 1000, category="store") for _ in range(10)))
    await bury(pool, letter(organization="demo"))
    await pool.execute("update telemetry.dead_letters set at = now() - interval '40 days' where id <= 2")
    assert await table.trim(pool, Bounds(days=30, size=1 << 20)) == 2
    assert await table.trim(pool, Bounds(days=30, size=1 << 20)) == 0
    assert await table.trim(pool, Bounds(days=30, size=4000)) == 5
    assert [row.id for row in await table.page(pool, Selection(), None, 20)] == [11, 10, 9, 8]
    async with pool.acquire() as connection:
        assert (await table.gone(connection)).letters == 7


async def test_an_organization_sees_replays_and_drops_only_its_own(pool: Pool) -> None:
    await bury(pool, letter(), letter("d-2", organization="demo"))
    await table.trim(pool, Bounds(days=30, size=300))
    await bury(pool, letter())
    tenancy = Tenancy(pool)
    for scope, seen, lost in [("default", [3], 1), ("demo", [2], 0), ("*", [3, 2], 1), ("", [], 0)]:
        async with tenancy.transaction(scope) as connection:
            assert [row.id for row in await table.page(connection, Selection(), None, 10)] == seen
            assert (await table.gone(connection)).letters == lost
    async with tenancy.transaction("default") as connection:
        assert await table.find(connection, 2) is None
        assert await table.drop(connection, Selection(ids=[2])) == 0
        assert await table.drop(connection, Selection()) == 1
    assert [row.id for row in await table.page(pool, Selection(), None, 10)] == [2]
