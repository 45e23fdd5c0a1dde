"""Where the filters of sessions that outlive a connection are kept, so that no client is deaf after a restart."""

from collections.abc import Callable, Mapping
from typing import Protocol

Change = Mapping[str, int | None]  # topic filter → granted QoS, None: no more


class SubscriptionStore(Protocol):
    """Reads from memory, writes behind."""

    def get(self, device: str) -> Mapping[str, int]:
        """Filter → granted QoS of a device, empty when none is kept."""

    def change(self, device: str, change: Change, done: Callable[[], None]) -> None:
        """Keep a change; ``done`` is called once that is certain, at once when nothing changes."""


class NoSubscriptionStore:
    """For a broker whose sessions need not outlive it."""

    def get(self, device: str) -> Mapping[str, int]:
        """None is kept."""
        return {}

    def change(self, device: str, change: Change, done: Callable[[], None]) -> None:
        """Nothing to keep."""
        done()
