"""Messages that have not been acknowledged yet, and the record of those that had to go."""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

Policy = Literal["drop_oldest", "drop_newest"]
Done = Callable[[bool], None]


@dataclass(slots=True, eq=False)
class Message:
    """One PUBLISH, QoS 1.

    Attributes:
        body: what is encoded at the moment of sending.
        done: called once: True at the PUBACK, False when the message was dropped.
    """

    topic: str
    body: Any
    done: Done | None = None
    outbox: "Outbox | None" = field(default=None, repr=False)

    def finish(self, acknowledged: bool) -> None:
        """Tell whoever waits, once."""
        done, self.done = self.done, None
        if done is not None:
            done(acknowledged)


class Outbox(Protocol):
    """Keeps messages in order from add() to acknowledged()."""

    def add(self, message: Message) -> Message | None:
        """Keep a message. Returns the one that had to go for want of room: an older one, or this one."""

    def take(self) -> Message | None:
        """The oldest that is not on its way; it stays here until acknowledged()."""

    def acknowledged(self, message: Message) -> None:
        """Its PUBACK came: forget it."""

    def reconnected(self) -> None:
        """What was on its way is to be sent again, first and in the old order."""

    @property
    def waiting(self) -> bool:
        """Whether take() has something."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Message]: ...


class MemoryOutbox:
    """Lost at a restart.

    Args:
        limit: messages, those on their way included.
        policy: what goes when it is full. ``drop_oldest`` never drops a message on its way: if all are, the new one goes.
    """

    def __init__(self, limit: int, policy: Policy = "drop_oldest") -> None:
        self._limit = limit
        self._policy = policy
        self._waiting: deque[Message] = deque()
        self._in_flight: dict[int, Message] = {}

    @property
    def waiting(self) -> bool:
        """Whether something is not on its way."""
        return bool(self._waiting)

    def __len__(self) -> int:
        return len(self._waiting) + len(self._in_flight)

    def __iter__(self) -> Iterator[Message]:
        yield from self._in_flight.values()
        yield from self._waiting

    def add(self, message: Message) -> Message | None:
        """Keep a message; returns the one that had to go."""
        message.outbox = self
        dropped = None
        if len(self) >= self._limit:
            if self._policy == "drop_newest" or not self._waiting:
                return message
            dropped = self._waiting.popleft()
        self._waiting.append(message)
        return dropped

    def take(self) -> Message | None:
        """The oldest that is not on its way."""
        if not self._waiting:
            return None
        message = self._waiting.popleft()
        self._in_flight[id(message)] = message
        return message

    def acknowledged(self, message: Message) -> None:
        """Forget it."""
        self._in_flight.pop(id(message), None)

    def reconnected(self) -> None:
        """Send again what was on its way."""
        self._waiting.extendleft(reversed(self._in_flight.values()))
        self._in_flight.clear()


class Gaps:
    """Ranges of sequence numbers that were dropped and not told yet, lowest first."""

    def __init__(self) -> None:
        self._ranges: list[tuple[int, int]] = []

    def add(self, first: int, last: int) -> None:
        """Add a range; neighbours become one."""
        merged: list[tuple[int, int]] = []
        for a, b in sorted([*self._ranges, (first, last)]):
            if merged and a <= merged[-1][1] + 1:
                merged[-1] = (merged[-1][0], max(b, merged[-1][1]))
            else:
                merged.append((a, b))
        self._ranges = merged

    def pop(self) -> tuple[int, int] | None:
        """The lowest range, to be told now."""
        return self._ranges.pop(0) if self._ranges else None
