"""Who waits in this process for a command to end."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
import structlog

from commands.outcome import Outcome, heard
from iotsphere.pause import set_within

log = structlog.get_logger()


class Waiter:
    """One who waits."""

    def __init__(self) -> None:
        self._told = asyncio.Event()
        self._outcome: Outcome | None = None

    def tell(self, outcome: Outcome | None) -> None:
        """Something has become of the command; None: look what."""
        self._outcome = outcome
        self._told.set()

    async def news(self, seconds: float) -> Outcome | None:
        """What was told, within so many seconds; None: look."""
        if not await set_within(self._told, seconds):
            return None
        self._told.clear()
        return self._outcome


class Waiters:
    """All of them, by command. An entry lives as long as somebody waits.

    Attributes:
        ended: the process ends; nobody shall wait any more.
    """

    def __init__(self) -> None:
        self._waiting: dict[str, set[Waiter]] = {}
        self.ended = False

    def end(self) -> None:
        """All look once more and go."""
        self.ended = True
        for waiters in self._waiting.values():
            for waiter in waiters:
                waiter.tell(None)

    @contextmanager
    def wait_for(self, command_id: str) -> Iterator[Waiter]:
        """Hear of a command within this context."""
        waiter = Waiter()
        self._waiting.setdefault(command_id, set()).add(waiter)
        try:
            yield waiter
        finally:
            self._waiting[command_id].discard(waiter)
            if not self._waiting[command_id]:
                del self._waiting[command_id]

    def on_done(self, subject: str) -> None:
        """The signal CLOUD_DONE."""
        try:
            command_id, outcome = heard(subject)
        except msgspec.DecodeError:  # of another release, perhaps: whoever waits looks by himself
            log.warning("a signal of a command's end cannot be read", subject=subject[:200])
            return
        for waiter in self._waiting.get(command_id, ()):
            waiter.tell(outcome)
