"""Compare-and-set of many documents in one statement."""

from typing import Any

import pytest

from shadow import history
from shadow.document import Document, update
from shadow.shadow_table import ShadowTable, Write

pytestmark = pytest.mark.integration


def write(device: str, base: Document, **reported: Any) -> Write:
    new = update(base, {"reported": reported}, 1_700_000_000)
    return Write((device, ""), base.version, new, [history.revision(new, 1_700_000_000.0, "device", "{}")])


async def test_each_document_is_stored_or_left_alone_with_its_revisions(pool: Any) -> None:
    table = ShadowTable(pool)
    assert await table.store([write("d1", Document(), a=1)]) == {("d1", "")}
    one = (await table.load([("d1", "")]))["d1", ""]
    assert one == write("d1", Document(), a=1).document
    assert await table.store([write("d1", Document(), a=2), write("d2", Document(), b=1)]) == {("d2", "")}  # d1 exists already
    assert await table.store([write("d1", one, a=3), write("d2", Document(version=9), b=2)]) == {("d1", "")}  # d2 is not at 9
    assert await table.store([write("d1", one, a=4)]) == set()
    documents = await table.of_devices(["d1", "d2"])
    assert [(key[0], d.version, d.reported) for key, d in sorted(documents.items())] == [("d1", 2, {"a": 3}), ("d2", 1, {"b": 1})]
    assert await pool.fetchval("select count(*) from shadow.revisions") == 3


async def test_due_is_what_was_not_announced(pool: Any) -> None:
    table = ShadowTable(pool)
    await table.store([write("d1", Document(), a=1), write("d2", Document(), a=1)])
    assert list(await table.due()) == [("d1", ""), ("d2", "")]
    assert list(await table.due(limit=1)) == [("d1", "")]
    assert list(await table.due(("d1", ""))) == [("d2", "")]
    await table.announced([("d1", "", 1)])
    assert list(await table.due()) == [("d2", "")]
    one = (await table.load([("d1", "")]))["d1", ""]
    await table.store([write("d1", one, a=2)])
    assert list(await table.due_of(["d1"])) == [("d1", "")]
    await table.announced([("d1", "", 1)])  # of an older version: late
    assert list(await table.due_of(["d1"])) == [("d1", "")]
