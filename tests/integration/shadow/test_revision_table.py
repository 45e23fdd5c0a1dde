"""Revisions: which of them rebuild a version, and which are forgotten."""

from datetime import UTC, datetime
from typing import Any

import pytest

from iotsphere.infra.housekeeping import Housekeeping
from shadow.document import Document, encode, update
from shadow.history import SNAPSHOT_EVERY, rebuild, revision
from shadow.revision_table import FORGET, RevisionTable
from shadow.shadow_table import ShadowTable, Write

pytestmark = pytest.mark.integration
KEY = ("d1", "")
DAY = 86_400.0
NEWEST = 2 * SNAPSHOT_EVERY + 5


@pytest.fixture
async def moments(pool: Any) -> list[float]:
    """One revision a day, the last one now; the moments by version, from 1 on."""
    document, revisions, now = Document(), [], round(datetime.now(UTC).timestamp(), 3)
    moments = [0.0] + [now - DAY * (NEWEST - version) for version in range(1, NEWEST + 1)]
    for version in range(1, NEWEST + 1):
        document = update(document, {"reported": {"n": version}}, moments[version])
        revisions.append(revision(document, moments[version], "device", encode({"reported": {"n": version}}).decode()))
    assert await ShadowTable(pool).store([Write(KEY, 0, document, revisions)])
    return moments


def at(moment: float) -> datetime:
    return datetime.fromtimestamp(moment, UTC)


async def test_every_version_is_rebuilt_from_a_snapshot_and_few_updates(pool: Any, moments: list[float]) -> None:
    table = RevisionTable(pool)
    for version in (1, 2, SNAPSHOT_EVERY, SNAPSHOT_EVERY + 1, SNAPSHOT_EVERY + 2, NEWEST):
        revisions = await table.up_to(KEY, version)
        assert len(revisions) <= SNAPSHOT_EVERY
        assert rebuild(revisions).reported == {"n": version}
    assert await table.up_to(KEY, NEWEST + 1) == []
    assert await table.up_to(("d2", ""), 1) == []


async def test_a_moment_leads_to_the_version_of_that_time(pool: Any, moments: list[float]) -> None:
    table = RevisionTable(pool)
    for version in (1, SNAPSHOT_EVERY, SNAPSHOT_EVERY + 1, NEWEST - 1):
        assert await table.version_at(KEY, at(moments[version])) == version
        assert await table.version_at(KEY, at(moments[version] + DAY / 2)) == version
    assert await table.version_at(KEY, at(moments[NEWEST] + 10 * DAY)) == NEWEST
    assert await table.version_at(KEY, at(moments[1] - 1)) is None


async def test_what_is_too_old_goes_and_what_is_kept_can_still_be_rebuilt(pool: Any, moments: list[float]) -> None:
    table, days = RevisionTable(pool), 30
    assert await Housekeeping(pool, [FORGET], days).turn(at_once=7) == SNAPSHOT_EVERY
    for version in range(NEWEST - days, NEWEST + 1):
        assert rebuild(await table.up_to(KEY, version)).reported == {"n": version}
    assert await table.up_to(KEY, SNAPSHOT_EVERY) == []
    assert await Housekeeping(pool, [FORGET], days).turn() == 0


async def test_pages_go_back(pool: Any, moments: list[float]) -> None:
    table = RevisionTable(pool)
    assert [r.version for r in await table.page(KEY, 10, at(0), 3)] == [9, 8, 7]
    assert [r.version for r in await table.page(KEY, 10, at(moments[8]), 3)] == [9, 8]
