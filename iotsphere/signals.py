"""Nudges between processes: "look at the database, something of X is due". At most once; whoever waits also looks by itself.

`cloud` commits, then signals EDGE_COMMAND with the device id for a command, EDGE_WAKE for a shadow, EDGE_REGISTRY for the
device itself or its certificates, EDGE_REPLAY with the id of a replay of dead letters; `edge` commits, then signals CLOUD_DONE
with the command id, and its end behind that where it is not too large.
"""

from collections import defaultdict
from collections.abc import Callable
from typing import Protocol

EDGE_COMMAND = "edge:command"
EDGE_WAKE = "edge:wake"
EDGE_REGISTRY = "edge:registry"
EDGE_REPLAY = "edge:replay"
CLOUD_DONE = "cloud:done"
SignalHandler = Callable[[str], None]


class Signals(Protocol):
    """Send and hear nudges."""

    async def start(self) -> None:
        """Begin to hear."""

    async def stop(self) -> None:
        """Hear nothing more."""

    async def send(self, channel: str, subject: str) -> None:
        """Nudge. Never raises and never waits long: a lost nudge is counted, the other side finds out by its sweep."""

    def on(self, channel: str, handler: SignalHandler) -> None:
        """Call the handler with the subject of each nudge, in the event loop. Before start() only; must return at once."""


class MemorySignals:
    """Within one process."""

    def __init__(self) -> None:
        self._handlers: dict[str, list[SignalHandler]] = defaultdict(list)

    async def start(self) -> None:
        """Nothing to connect to."""

    async def stop(self) -> None:
        """Nothing to disconnect from."""

    async def send(self, channel: str, subject: str) -> None:
        """Call every handler of the channel."""
        for handler in self._handlers[channel]:
            handler(subject)

    def on(self, channel: str, handler: SignalHandler) -> None:
        """Add a handler."""
        self._handlers[channel].append(handler)
