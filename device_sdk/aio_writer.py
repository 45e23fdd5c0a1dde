"""Group commit for asyncio: one write at a time, in a thread, for all tasks that wait for one."""

import asyncio
from collections.abc import Callable

from device_sdk.journal import Journal, OutboxUnavailable
from device_sdk.keeping import Keeping
from device_sdk.writer import LAZY_S


class TaskWriter:
    """Writes at once when somebody waits for it, and LAZY_S later what nobody waits for and what the disk did not take.

    Args:
        written: called after each write.
    """

    def __init__(self, device: str, keeping: Keeping, journal: Journal, written: Callable[[], None]) -> None:
        self._name = f"device-{device}-store"
        self._keeping, self._journal, self._written = keeping, journal, written
        self._well = True
        self._task: asyncio.Task[None] | None = None
        self._later: asyncio.TimerHandle | None = None

    def look(self) -> None:
        """There may be something to write."""
        if self._task is not None:
            return
        if self._keeping.write_wanted and self._well:
            self._begin()
        elif self._later is None and self._keeping.has_changes:
            self._later = asyncio.get_running_loop().call_later(LAZY_S, self._begin)

    async def close(self) -> None:
        """Write what is left and let go of the file."""
        if self._task is not None:
            await asyncio.wait({self._task})
        self._stop_waiting()
        await self._write()
        await asyncio.to_thread(self._journal.close)

    def _begin(self) -> None:
        self._stop_waiting()
        self._task = asyncio.create_task(self._write_all(), name=self._name)

    def _stop_waiting(self) -> None:
        if self._later is not None:
            self._later.cancel()
            self._later = None

    async def _write_all(self) -> None:
        again = True
        while again:
            self._well = await self._write()
            again = self._well and self._keeping.write_wanted
            if not again:
                self._task = None
            self._written()

    async def _write(self) -> bool:
        changes = self._keeping.begin_write()
        if changes is None:
            return True
        error: Exception | None = OutboxUnavailable("the write was cut off")
        try:
            error = await asyncio.to_thread(self._journal.attempt, changes)
        finally:
            well = self._keeping.settle(changes, error)
        return well
