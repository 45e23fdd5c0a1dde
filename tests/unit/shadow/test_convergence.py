"""How far a device is."""

from typing import Any

import pytest

from shadow.convergence import Progress
from shadow.document import Document, converged, update

WISHED, ANSWERED = 100.0, 103.5


def answered(code: int, value: Any = 55, version: int | None = 1, text: str = "") -> Document:
    """A wish for t = 60 in version 1, and an answer to it."""
    given = {"value": value, "ac": code, "ad": text} | ({} if version is None else {"av": version})
    return update(update(Document(), {"desired": {"t": 60}}, WISHED), {"reported": {"t": given}}, ANSWERED)


def test_without_an_answer_it_is_pending_or_applied() -> None:
    wished = update(Document(), {"desired": {"t": 60, "mode": "eco"}, "reported": {"mode": "eco"}}, WISHED)
    assert wished.progress == {"t": Progress("pending", WISHED), "mode": Progress("applied")}
    assert update(wished, {"reported": {"t": 60.0}}, ANSWERED).progress["t"] == Progress("applied")


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (answered(200, 60), Progress("applied")),
        (answered(200, 55), Progress("pending", WISHED)),  # it says so, and reports another value
        (answered(202, 55, text="heating"), Progress("in_progress", WISHED, 202, "heating")),
        (answered(202, 60), Progress("in_progress", WISHED, 202)),
        (answered(203, 55), Progress("pending", WISHED)),  # its own doing, no answer
        (answered(400, 55, text="above 60 °C"), Progress("refused", WISHED, 400, "above 60 °C")),
        (answered(400, 60), Progress("applied")),
        (answered(500, 55, text="relay"), Progress("failed", WISHED, 500, "relay")),
        (answered(400, 55, version=0), Progress("pending", WISHED)),  # of an earlier wish
        (answered(400, 55, version=None), Progress("refused", WISHED, 400)),  # later than the wish, so to it
    ],
)
def test_the_answer_of_the_device(document: Document, expected: Progress) -> None:
    assert document.progress["t"] == expected
    assert document.pending == ({} if expected.state == "applied" else {"t": WISHED})


def test_a_new_wish_is_not_answered_by_an_old_answer() -> None:
    for version in (1, None):
        renewed = update(answered(400, version=version), {"desired": {"t": 58}}, 110.0)
        assert renewed.progress["t"] == Progress("pending", WISHED)


def test_another_property_s_wish_leaves_the_answer_standing() -> None:
    assert update(answered(400), {"desired": {"mode": "eco"}}, 110.0).progress["t"].state == "refused"


def test_answers_within_an_object_count_for_it() -> None:
    wished = update(Document(), {"desired": {"zone": {"t": 60, "u": 1}}}, WISHED)
    refused = update(wished, {"reported": {"zone": {"t": {"value": 55, "ac": 404, "av": 1, "ad": "no"}, "u": 1}}}, ANSWERED)
    assert refused.progress == {"zone": Progress("refused", WISHED, 404, "no")}
    working = update(wished, {"reported": {"zone": {"t": {"value": 60, "ac": 202, "av": 1}, "u": 1}}}, ANSWERED)
    assert working.progress["zone"].state == "in_progress"


def test_it_takes_until_the_work_is_done() -> None:
    working = answered(202, 60)
    done = update(working, {"reported": {"t": {"value": 60, "ac": 200, "av": 1}}}, 140.0)
    assert (done.pending, converged(working, done, 140.0)) == ({}, {"t": 40.0})
