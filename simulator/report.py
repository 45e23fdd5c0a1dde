"""What a fleet did, in numbers."""

import json
import math
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass

STEP = 1.02  # width of a latency class: percentiles are right within 2 %
SHORTEST_MS = 0.01


class Latencies:
    """Counts latencies in classes, so that a long run needs no more memory than a short one."""

    def __init__(self) -> None:
        self._classes: Counter[int] = Counter()

    def add(self, ms: float) -> None:
        """Count one."""
        self._classes[round(math.log(max(ms, SHORTEST_MS)) / math.log(STEP))] += 1

    def percentile(self, share: float) -> float | None:
        """The latency in ms that a share of all (0 to 1) does not exceed; None without any."""
        wanted = share * self._classes.total()
        for index, count in sorted(self._classes.items()):
            wanted -= count
            if wanted <= 0:
                return round(STEP**index, 2)
        return None


@dataclass(frozen=True, slots=True)
class Progress:
    """A snapshot while the fleet runs; rates since the last one."""

    devices: int
    connected: int
    published: int
    acked: int
    seconds: float
    published_per_s: float
    acked_per_s: float
    p50_ms: float | None
    p99_ms: float | None
    last_error: str


@dataclass(frozen=True, slots=True)
class FleetReport:
    """The end of a run. Telemetry messages are counted; ``lost`` ones were published and never acknowledged.

    Attributes:
        connected: devices that had a session at the end.
        p50_ms, p99_ms: from publish to PUBACK, so with whatever time it waited in the device's outbox.
        commands: answered; desired: wishes obeyed.
    """

    devices: int
    connected: int
    published: int
    acked: int
    lost: int
    seconds: float
    published_per_s: float
    acked_per_s: float
    p50_ms: float | None
    p99_ms: float | None
    commands: int
    desired: int
    last_error: str

    def json_line(self) -> str:
        """One line for scripts."""
        return json.dumps(asdict(self))


class Tally:
    """Counts while the fleet runs.

    Args:
        clock: seconds, monotonic.
    """

    def __init__(self, devices: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.devices = devices
        self.published = self.acked = self.commands = self.desired = 0
        self.last_error = ""
        self.clock = clock
        self._latencies = Latencies()
        self._began = clock()
        self._before = (self._began, 0, 0)

    def sent(self) -> Callable[[bool], None]:
        """Count a message; the callback counts its end."""
        self.published += 1
        began = self.clock()

        def ended(acknowledged: bool) -> None:
            if acknowledged:
                self.acked += 1
                self._latencies.add((self.clock() - began) * 1000)

        return ended

    def progress(self, connected: int) -> Progress:
        """A snapshot."""
        now = self.clock()
        then, published, acked = self._before
        self._before = (now, self.published, self.acked)
        width = max(now - then, 1e-9)
        return Progress(
            self.devices,
            connected,
            self.published,
            self.acked,
            round(now - self._began, 1),
            round((self.published - published) / width, 1),
            round((self.acked - acked) / width, 1),
            self._latencies.percentile(0.5),
            self._latencies.percentile(0.99),
            self.last_error,
        )

    def report(self, connected: int, seconds: float) -> FleetReport:
        """The end; ``seconds`` is how long the fleet published."""
        width = max(seconds, 1e-9)
        return FleetReport(
            self.devices,
            connected,
            self.published,
            self.acked,
            self.published - self.acked,
            round(seconds, 2),
            round(self.published / width, 1),
            round(self.acked / width, 1),
            self._latencies.percentile(0.5),
            self._latencies.percentile(0.99),
            self.commands,
            self.desired,
            self.last_error,
        )
