"""Any version is rebuilt from a snapshot and the updates since."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from shadow import history
from shadow.document import Document, delete, encode, update
from shadow.history import DELETION, DEVICE, SNAPSHOT_EVERY, Revision, rebuild, revision

values = st.integers(0, 3) | st.dictionaries(st.sampled_from("xy"), st.integers(0, 3), max_size=2)
patches = st.none() | st.dictionaries(st.sampled_from("abc"), st.none() | values, max_size=3)
changes = st.none() | st.fixed_dictionaries({}, optional={"desired": patches, "reported": patches})
steps = st.lists(st.tuples(st.sampled_from([DEVICE, "ann"]), changes | st.just(DELETION)), min_size=1, max_size=12)


def lived(steps: Any, start: int = 0) -> list[tuple[Document, Revision]]:
    document, found = Document(version=start), []
    for number, (actor, change) in enumerate(steps):
        now = 1_700_000_000.25 + number
        if change == DELETION:
            document = delete(document, now)
            asked = DELETION
        else:
            document = update(document, change, now, editor=None if actor == DEVICE else actor)
            asked = encode(change).decode()
        found.append((document, revision(document, now, actor, asked)))
    return found


@given(steps)
def test_each_version_is_rebuilt_exactly(steps: Any) -> None:
    found = lived(steps)
    for number, (document, _) in enumerate(found):
        assert rebuild([one for _, one in found[: number + 1]]) == document


def test_there_is_a_snapshot_every_so_often_and_it_is_enough() -> None:
    found = lived([(DEVICE, {"reported": {"n": n}}) for n in range(SNAPSHOT_EVERY + 3)])
    assert [one.version for _, one in found if one.snapshot] == [1, SNAPSHOT_EVERY + 1]
    document, _ = found[-1]
    assert rebuild([one for _, one in found[SNAPSHOT_EVERY:]]) == document


def test_a_document_that_today_would_be_too_large_is_rebuilt() -> None:
    first = revision(Document(version=1), 1.0, DEVICE, "{}")
    big = Revision(2, 2.0, DEVICE, encode({"reported": {"a": "x" * 40_000}}).decode())
    assert rebuild([first, big]).version == 2
    assert history.DELETION == '{"delete":true}'
