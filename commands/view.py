"""A command as callers see it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from commands.lifecycle import FINAL


@dataclass(frozen=True, slots=True)
class Transition:
    """One step of a command's life."""

    status: str
    at: datetime
    actor: str
    reason: dict[str, str] | None = None


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

    @property
    def final(self) -> bool:
        """Whether nothing more is expected of the device."""
        return self.status in FINAL
