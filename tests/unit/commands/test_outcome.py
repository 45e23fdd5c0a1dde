"""What is told of an end, and what is made of it."""

from dataclasses import replace
from datetime import UTC, datetime

import msgspec
import pytest

from commands.outcome import MAX_CHARACTERS, Outcome, heard, told, transitions
from commands.view import CommandView, Transition

AT = datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)
LIFE = f'[{{"status": "sent", "at": {AT.timestamp():.6f}, "actor": "edge", "reason": null, "session": 7}}]'
END = Outcome(
    status="failed", changed_at=AT, life=LIFE, reason={"code": "C", "text": "t"}, result={"n": 1}, attempts=2, parked_at=AT
)
VIEW = CommandView(
    id="c1", device="d1", organization="o", name="fire", params={"to": 1}, status="queued", actor="ann", created_at=AT,
    expires_at=AT, changed_at=AT, simulated=True,
)  # fmt: skip


def test_an_end_comes_over_to_the_microsecond() -> None:
    assert heard(told("c1", END)) == ("c1", END)
    assert transitions(LIFE) == (Transition("sent", AT, "edge", None, 7),)


def test_it_changes_what_an_end_changes_and_nothing_else() -> None:
    expected = replace(
        VIEW, status="failed", changed_at=AT, reason=END.reason, result=END.result, attempts=2, parked_at=AT,
        transitions=(Transition("sent", AT, "edge", None, 7),),
    )  # fmt: skip
    assert END.of(VIEW) == expected


def test_without_an_end_or_with_a_large_one_there_is_a_name() -> None:
    assert heard(told("c1", None)) == ("c1", None)
    assert told("c1", replace(END, result={"text": "x" * MAX_CHARACTERS})) == "c1"


@pytest.mark.parametrize("text", ["{", "{}", '{"status": 1}'])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(msgspec.DecodeError):
        heard(f"c1 {text}")
