"""A bounded queue of encoded events that drops the oldest."""

from collections import deque


class Outbox:
    """What waits to be written to the bus. Policy when full: drop the oldest, for on a live feed the newest is worth most.

    Args:
        events: how many it holds at most.
        size: how many bytes at most.
    """

    def __init__(self, *, events: int, size: int) -> None:
        self._events = events
        self._size = size
        self._queue: deque[tuple[str, bytes]] = deque()
        self._held = 0

    def __len__(self) -> int:
        return len(self._queue)

    @property
    def held(self) -> int:
        """Bytes in it."""
        return self._held

    def put(self, topic: str, data: bytes) -> list[str]:
        """Add an event; returns the topic of each event that had to go for it."""
        self._queue.append((topic, data))
        self._held += len(data)
        dropped = []
        while len(self._queue) > self._events or (self._held > self._size and len(self._queue) > 1):
            oldest, gone = self._queue.popleft()
            self._held -= len(gone)
            dropped.append(oldest)
        return dropped

    def take(self, limit: int) -> list[tuple[str, bytes]]:
        """Remove and return the oldest, at most ``limit``."""
        taken = [self._queue.popleft() for _ in range(min(limit, len(self._queue)))]
        self._held -= sum(len(data) for _, data in taken)
        return taken
