"""The event bus interface and its in-memory twin."""

from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import Protocol

from iotsphere.events import TOPIC_OF, Event

Handler = Callable[[Event], Awaitable[None]]


class Publisher(Protocol):
    """Publish by topic. It never raises and never waits for a consumer: a loss is counted."""

    async def publish(self, event: Event) -> None:
        """Hand the event to every subscriber of its topic, or count it as lost."""


class EventBus(Publisher, Protocol):
    """Publish and subscribe by topic."""

    async def start(self) -> None:
        """Connect, and begin to call the handlers."""

    async def stop(self) -> None:
        """Stop calling the handlers and disconnect."""

    def subscribe(self, topic: str, handler: Handler) -> None:
        """Call the handler for each event of the topic, one at a time, in order. Before start() only."""

    def healthy(self) -> bool:
        """Whether events flow now; False when a subscriber has stopped or the server is away."""


class MemoryBus:
    """Calls the handlers at once, in the publisher's task."""

    def __init__(self) -> None:
        self._handlers: dict[str, list[Handler]] = defaultdict(list)

    async def start(self) -> None:
        """Nothing to connect to."""

    async def stop(self) -> None:
        """Nothing to disconnect from."""

    async def publish(self, event: Event) -> None:
        """Call every handler of the event's topic."""
        for handler in self._handlers[TOPIC_OF[type(event)]]:
            await handler(event)

    def subscribe(self, topic: str, handler: Handler) -> None:
        """Add a handler."""
        self._handlers[topic].append(handler)

    def healthy(self) -> bool:
        """Always."""
        return True
