"""The table of transitions."""

import pytest

from commands.command_table import _LEGAL
from commands.lifecycle import ANSWERED, FINAL, OPEN, TRANSITIONS, at_expiry, may_become

LEGAL = {
    "queued": "sent delivered in_progress succeeded failed rejected expired timed_out cancelled",
    "sent": "sent delivered in_progress succeeded failed rejected timed_out cancelled",
    "delivered": "sent in_progress succeeded failed rejected timed_out cancelled",
    "in_progress": "succeeded failed rejected timed_out cancelled",
    "timed_out": "succeeded failed rejected",
    "succeeded": "",
    "failed": "",
    "rejected": "",
    "expired": "",
    "cancelled": "",
}


@pytest.mark.parametrize("target", sorted(TRANSITIONS))
@pytest.mark.parametrize("source", sorted(TRANSITIONS))
def test_exactly_these_are_legal(source: str, target: str) -> None:
    assert may_become(source, target) == (target in LEGAL[source].split())


def test_sql_has_the_same_table() -> None:
    assert _LEGAL.count("(") == sum(len(targets.split()) for targets in LEGAL.values())


def test_every_state_is_open_or_final() -> None:
    assert set(OPEN) | FINAL == set(TRANSITIONS)
    assert not set(OPEN) & FINAL


def test_nothing_leads_back_from_a_final_state_to_an_open_one() -> None:
    assert all(TRANSITIONS[status] <= ANSWERED for status in FINAL)


@pytest.mark.parametrize("status", OPEN)
@pytest.mark.parametrize("claimed", [True, False])
def test_what_may_have_been_sent_times_out_and_the_rest_expires(status: str, claimed: bool) -> None:
    ends = at_expiry(status, claimed)
    assert may_become(status, ends)
    assert ends == ("expired" if status == "queued" and not claimed else "timed_out")
