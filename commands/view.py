"""A command as callers see it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from commands.lifecycle import ANSWERED, FINAL, TIMED_OUT, UNANSWERED


@dataclass(frozen=True, slots=True)
class Transition:
    """One step of a command's life. ``session``: the one that it was sent or delivered in."""

    status: str
    at: datetime
    actor: str
    reason: dict[str, str] | None = None
    session: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandView:
    """A command with its whole life.

    Attributes:
        organization: whom the device belonged to when the command was made.
        params: as the device gets them, defaults filled in.
        expires_at: after it the device must not act.
        reason: why it did not succeed.
        result: what the device answered.
        simulated: the device is.
        parallel: it waits for no other command of its device, and no other for it.
        answer_s: so many seconds the device may leave it unanswered before others go first.
        attempts: sessions that it was sent in.
        parked_at: when others began to go first, because no answer came.
    """

    id: str
    device: str
    organization: str
    name: str
    params: dict[str, Any]
    status: str
    actor: str
    created_at: datetime
    expires_at: datetime
    changed_at: datetime
    reason: dict[str, str] | None = None
    result: dict[str, Any] | None = None
    transitions: tuple[Transition, ...] = ()
    simulated: bool = False
    parallel: bool = False
    answer_s: float = 10.0
    attempts: int = 0
    parked_at: datetime | None = None

    @property
    def final(self) -> bool:
        """Whether nothing more is expected of the device."""
        return self.status in FINAL

    @property
    def parked(self) -> bool:
        """Whether the device has left it unanswered for so long that others go first. It stays open until it expires."""
        return self.parked_at is not None and self.status in UNANSWERED

    @property
    def late(self) -> bool:
        """Whether the answer came after the command's time was over."""
        return self.status in ANSWERED and any(transition.status == TIMED_OUT for transition in self.transitions)
