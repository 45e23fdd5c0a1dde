from dataclasses import replace
from datetime import UTC, datetime

import pytest

from cloud_api.domain.commands.answers import answer
from cloud_api.domain.commands.schemas import Command, CommandProblem, view
from commands.lifecycle import FINAL
from commands.view import CommandView

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
OPEN = CommandView(
    id="c1", device="d", organization="o", name="n", params={}, status="queued", actor="ann",
    created_at=NOON, expires_at=NOON, changed_at=NOON, transitions=(),
)  # fmt: skip


@pytest.mark.parametrize("status", ["queued", "sent", "delivered", "in_progress"])
def test_open_ones_are_accepted(status: str) -> None:
    found = answer(view(replace(OPEN, status=status), False))
    assert (found.status_code, type(found.content), found.headers) == (202, Command, {"Location": "/api/v1/commands/c1"})


def test_every_final_state_has_its_own_answer() -> None:
    codes = {status: answer(view(replace(OPEN, status=status), False)).status_code for status in FINAL}
    assert codes == {"succeeded": 200, "failed": 424, "rejected": 424, "expired": 410, "cancelled": 409, "timed_out": 504}


def test_a_bad_end_says_why_and_holds_the_command() -> None:
    found = answer(view(replace(OPEN, status="failed", reason={"code": "DRY", "text": ""}), True))
    assert isinstance(found.content, CommandProblem)
    assert found.content.detail == "the device has failed to carry the command out: DRY"
    assert (found.content.command.id, found.media_type) == ("c1", "application/problem+json")
    assert found.headers["X-Data-Source"] == "simulation"
