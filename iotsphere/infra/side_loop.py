"""An event loop beside the process's own, in a thread of its own: for little work that must not queue behind much.

Only one of the two runs Python at a time, but whoever waits has his turn within sys.getswitchinterval() (5 ms), and mostly at
once, where in one loop he would wait for everything that lies before him, once for each step (measured under readings at half of
what `edge` can take: a statement of PostgreSQL 0.5 ms instead of 3.4).
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar, TypeVarTuple

import uvloop

Result = TypeVar("Result")
Arguments = TypeVarTuple("Arguments")


class SideLoop:
    """Everything that lives in it (pools, tasks, connections) is made, used and ended by run() or call().

    Args:
        name: of the thread.
    """

    def __init__(self, name: str) -> None:
        self._loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._serve, name=name, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    async def stop(self) -> None:
        """Cancel what is left in it, and end."""
        await self.run(_cancel_all())
        self._loop.call_soon_threadsafe(self._loop.stop)
        await asyncio.to_thread(self._thread.join)

    async def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Do the work there and wait for it here; a cancellation of the waiting goes over."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))

    def call(self, function: Callable[[*Arguments], object], *arguments: *Arguments) -> None:
        """Call it there soon, in the order of the calls. Returns at once."""
        self._loop.call_soon_threadsafe(function, *arguments)

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
        finally:
            self._loop.close()


async def _cancel_all() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
