"""One owned task that handles in batches what others put down without waiting."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import structlog

from iotsphere.pause import set_within

log = structlog.get_logger()
Key = TypeVar("Key")
Item = TypeVar("Item")


class Worker(Generic[Key, Item]):
    """Collects items by key while the handler is busy, then hands it all of them, oldest key first.

    Bounded; policy: a newer item replaces the older one of its key, and beyond ``bound`` keys the oldest is dropped and counted.

    Args:
        name: of the task.
        handle: waits out what is away by itself; an exception is a defect: it is logged and the batch is given up.
        bound: keys kept at most.
        pause_s: seconds in which more may gather before the handler is called.
        on_drop: told of each dropped key.
    """

    def __init__(
        self,
        name: str,
        handle: Callable[[dict[Key, Item]], Awaitable[None]],
        *,
        bound: int = 100_000,
        pause_s: float = 0.0,
        on_drop: Callable[[], None] = lambda: None,
    ) -> None:
        self._name, self._handle, self._bound, self._pause_s, self._on_drop = name, handle, bound, pause_s, on_drop
        self._items: dict[Key, Item] = {}
        self._arrived = asyncio.Event()
        self._idle = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._items)

    def start(self) -> None:
        """Begin to handle."""
        self._task = asyncio.create_task(self._run(), name=self._name)

    async def stop(self, grace_s: float = 1.0) -> None:
        """Handle what is there within ``grace_s`` seconds, then end."""
        if self._task is None:
            return
        if self._items:
            self._idle.clear()
        await set_within(self._idle, grace_s)
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    def put(self, key: Key, item: Item) -> None:
        """Leave an item; returns at once."""
        if key not in self._items and len(self._items) >= self._bound:
            del self._items[next(iter(self._items))]
            self._on_drop()
        self._items[key] = item
        self._arrived.set()

    def take(self, key: Key) -> Item | None:
        """Take an item back that the handler has not got yet."""
        return self._items.pop(key, None)

    def peek(self, key: Key) -> Item | None:
        """The item of a key that the handler has not got yet."""
        return self._items.get(key)

    async def _run(self) -> None:
        while True:
            if not self._items:
                self._idle.set()
            await self._arrived.wait()
            self._idle.clear()
            if self._pause_s:
                await asyncio.sleep(self._pause_s)
            self._arrived.clear()
            items, self._items = self._items, {}
            if items:
                await self._handle_all(items)

    async def _handle_all(self, items: dict[Key, Item]) -> None:
        try:
            await self._handle(items)
        except Exception:
            log.exception("a batch was given up", worker=self._name, items=len(items))
