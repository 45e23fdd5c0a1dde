"""How a device talks, waits and keeps. Plain data."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from time import time

from device_sdk.journal import Synchronous
from device_sdk.outbox import Batching, Limits
from device_sdk.readings import Encoding
from device_sdk.reconnect import FIRST_S, LONGEST_S

IN_MEMORY = ":memory:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """All have defaults.

    Attributes:
        outbox: the file that keeps messages until their PUBACK; None for ID.outbox beside the key, ":memory:" for none: then
            what waits is lost when the process ends.
        limits: how much may wait, and what goes first when it is more.
        synchronous: ``full``: what is kept outlives a loss of power; ``normal``: only the end of the process.
        batching: readings that go out as one message.
        encoding: of readings; all else is JSON.
        undeclared: whether a device of a known type may publish, report and handle what the type does not declare.
        clock: seconds since the Unix epoch; None for a device without a clock: its readings say how long after its start they
            were taken, and the platform knows when that was.
        keep_alive: seconds of MQTT's keep-alive; a connection that is silently dead is noticed within twice of it.
        connect_s: how long an attempt may take, from the TCP connection to the SUBACK, each step of it.
        first_retry_s, longest_retry_s: bound of the wait before the next attempt.
    """

    outbox: Path | str | None = None
    limits: Limits = field(default_factory=Limits)
    synchronous: Synchronous = "full"
    batching: Batching = field(default_factory=Batching)
    encoding: Encoding = "json"
    undeclared: bool = False
    clock: Callable[[], float] | None = time
    keep_alive: int = 60
    connect_s: float = 10.0
    first_retry_s: float = FIRST_S
    longest_retry_s: float = LONGEST_S

    def file(self, id: str, key: Path) -> Path | None:  # noqa: A002 - the field's name
        """Where the outbox lies; None in memory."""
        if self.outbox == IN_MEMORY:
            return None
        return key.with_name(f"{id}.outbox") if self.outbox is None else Path(self.outbox)
