"""Commands on the wire."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec

from cloud_api.errors import Problem
from commands.view import CommandView

Status = Literal[
    "queued", "sent", "delivered", "in_progress", "succeeded", "failed", "rejected", "expired", "cancelled", "timed_out"
]


class NewCommand(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Something that the device shall do once.

    Attributes:
        timeout: seconds until the command is void, also for a device that was away; the type's own if absent.
    """

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    params: dict[str, Any] = {}
    timeout: Annotated[float, msgspec.Meta(gt=0)] | None = None


class TransitionView(msgspec.Struct, kw_only=True, frozen=True):
    """A step in a command's life; ``session``: the one that it was sent or delivered in."""

    status: str
    at: datetime
    actor: str
    reason: Mapping[str, Any] | None
    session: int | None


class Command(msgspec.Struct, kw_only=True, frozen=True):
    """A command and its life: queued → sent → delivered → in_progress → succeeded | failed | rejected | expired | cancelled
    | timed_out.

    Attributes:
        attempts: sessions that it was sent in.
        parked: the device has left it unanswered for so long that others go first; it stays open until it expires.
        late: the answer came after its time was over.
    """

    id: str
    device: str
    name: str
    params: Mapping[str, Any]
    status: str
    actor: str
    created_at: datetime
    expires_at: datetime
    changed_at: datetime
    reason: Mapping[str, Any] | None
    result: Mapping[str, Any] | None
    transitions: list[TransitionView]
    attempts: int
    parked: bool
    late: bool
    simulated: bool


class CommandList(msgspec.Struct, frozen=True):
    """Newest first; ``next_cursor`` is None on the last page."""

    items: list[Command]
    next_cursor: str | None


class CommandProblem(Problem, kw_only=True, frozen=True):
    """A problem with the command that it is about."""

    command: Command


def view(command: CommandView, simulated: bool) -> Command:
    """A command of a device of that kind."""
    return Command(
        id=command.id,
        device=command.device,
        name=command.name,
        params=command.params,
        status=command.status,
        actor=command.actor,
        created_at=command.created_at,
        expires_at=command.expires_at,
        changed_at=command.changed_at,
        reason=command.reason,
        result=command.result,
        transitions=[
            TransitionView(status=t.status, at=t.at, actor=t.actor, reason=t.reason, session=t.session)
            for t in command.transitions
        ],
        attempts=command.attempts,
        parked=command.parked,
        late=command.late,
        simulated=simulated,
    )
