"""How a command ended, told to whoever waits for it, so that he need not read it again. Pure."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import msgspec

from commands.view import CommandView, Transition

MAX_CHARACTERS = 32 * 1024  # of an end with its result; of a larger one only the command's id is told


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a command that has ended has more than when it was made.

    Attributes:
        life: all its steps, as JSON.
    """

    status: str
    changed_at: datetime
    life: str
    reason: dict[str, str] | None = None
    result: dict[str, Any] | None = None
    attempts: int = 0
    parked_at: datetime | None = None

    def of(self, view: CommandView) -> CommandView:
        """The command with its end."""
        return replace(
            view, status=self.status, changed_at=self.changed_at, reason=self.reason, result=self.result,
            attempts=self.attempts, parked_at=self.parked_at, transitions=transitions(self.life),
        )  # fmt: skip


def told(command_id: str, outcome: Outcome | None) -> str:
    """The subject of the signal."""
    text = "" if outcome is None else f" {msgspec.json.encode(outcome).decode()}"
    return command_id + text if len(text) <= MAX_CHARACTERS else command_id


def heard(subject: str) -> tuple[str, Outcome | None]:
    """The command's id and its end, None when that has to be read.

    Raises:
        msgspec.DecodeError: it is nothing that told() said.
    """
    command_id, _, text = subject.partition(" ")
    return command_id, msgspec.json.decode(text, type=Outcome) if text else None


def transitions(life: str | None) -> tuple[Transition, ...]:
    """The steps of a life as PostgreSQL writes them, whose times are seconds since the Unix epoch."""
    return msgspec.json.decode(life, type=tuple[Transition, ...], strict=False) if life else ()
