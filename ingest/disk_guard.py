"""Watches the disk of the data: intake pauses before it is full, because a database without disk does not even read."""

import asyncio
import json
import shutil
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import structlog

from ingest.metrics import IngestMetrics

log = structlog.get_logger()

PAUSE_SHARE, RESUME_SHARE = 0.05, 0.06  # of the disk, free
PAUSE_BYTES, RESUME_BYTES = 128 << 20, 160 << 20  # and never less: what is under way when intake pauses needs room, too
LOOK_SECONDS = 5.0
SAMPLE_SECONDS = 600.0
SHORTEST_SPAN = 1800.0  # growth seen for less says nothing
SAMPLES = 144  # a day
FARTHEST_DAYS = 3650.0


@dataclass(frozen=True, slots=True)
class Usage:
    """Bytes of a file system."""

    total: int
    used: int
    free: int


def usage_of(path: Path) -> Usage:
    """What the operating system says."""
    found = shutil.disk_usage(path)
    return Usage(found.total, found.used, found.free)


class DiskWatch:
    """What a series of looks at the disk means. Pure."""

    def __init__(self) -> None:
        self.paused = False
        self.usage = Usage(0, 0, 0)
        self._samples: deque[tuple[float, int]] = deque(maxlen=SAMPLES)
        self._now = 0.0

    def observe(self, now: float, usage: Usage) -> None:
        """Take in one look; ``now`` in seconds."""
        self.usage = usage
        self._now = now
        self.paused = usage.free < (_floor(usage, RESUME_SHARE, RESUME_BYTES) if self.paused else self._pause_below())
        if not self._samples or now - self._samples[-1][0] >= SAMPLE_SECONDS:
            self._samples.append((now, usage.used))

    def holds(self, more: int) -> bool:
        """Whether intake would not pause if so many bytes more were used."""
        watched = self.usage.total > 0
        return not watched or self.usage.free - more >= _floor(self.usage, RESUME_SHARE, RESUME_BYTES)

    def days_left(self) -> float | None:
        """Days until intake pauses if the growth of the last day goes on; None when it is not known, or not growing."""
        if not self._samples:
            return None
        since, used = self._samples[0]
        span, grown = self._now - since, self.usage.used - used
        if span < SHORTEST_SPAN or grown <= 0:
            return None
        room = self.usage.free - self._pause_below()
        return min(max(0.0, room / grown * span / 86_400), FARTHEST_DAYS)

    def _pause_below(self) -> float:
        return _floor(self.usage, PAUSE_SHARE, PAUSE_BYTES)


def _floor(usage: Usage, share: float, least: int) -> float:
    """Bytes that must be free. A file system that tells no size (some network disks) is not watched."""
    return max(share * usage.total, least) if usage.total else 0.0


class DiskGuard:
    """Looks at the disk every few seconds.

    Args:
        path: a directory on the disk of the data.
        report: a file that gets what was found as JSON.
        usage, clock: for tests.
    """

    def __init__(
        self,
        path: Path,
        report: Path | None = None,
        *,
        metrics: IngestMetrics | None = None,
        usage: Callable[[Path], Usage] = usage_of,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._path = path
        self._report = report
        self._metrics = metrics or IngestMetrics()
        self._usage = usage
        self._clock = clock
        self._watch = DiskWatch()
        self._room = asyncio.Event()
        self._room.set()
        self._task: asyncio.Task[None] | None = None

    @property
    def paused(self) -> bool:
        """Whether intake waits for room."""
        return self._watch.paused

    @property
    def used(self) -> int:
        """Bytes used on the file system."""
        return self._watch.usage.used

    @property
    def free(self) -> int:
        """Bytes free."""
        return self._watch.usage.free

    @property
    def days_left(self) -> float | None:
        """Days until intake pauses, as far as growth tells."""
        return self._watch.days_left()

    def holds(self, more: int) -> bool:
        """Whether intake would not pause if so many bytes more were used."""
        return self._watch.holds(more)

    async def ready(self) -> None:
        """Returns when there is room."""
        await self._room.wait()

    async def start(self) -> None:
        """Look once, then go on looking."""
        await self.look()
        self._task = asyncio.create_task(self._run(), name="disk-guard")

    async def stop(self) -> None:
        """End."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                await self.look()
            except OSError as error:  # a look that fails says nothing about the disk: what was known stands
                log.warning("cannot look at the disk", path=str(self._path), error=str(error))

    async def look(self) -> None:
        """Look once.

        Raises:
            OSError: the path is not there, or the report cannot be written.
        """
        usage = await asyncio.to_thread(self._usage, self._path)  # a network disk may take its time
        was_paused = self._watch.paused
        self._watch.observe(self._clock(), usage)
        self._show()
        if self.paused:
            self._room.clear()
        else:
            self._room.set()
        if self.paused != was_paused:
            self._tell()
        if self._report is not None:
            await asyncio.to_thread(write_report, self._report, self._content())

    def _show(self) -> None:
        self._metrics.disk_free.set(self.free)
        self._metrics.disk_used.set(self.used)
        self._metrics.disk_paused.set(self.paused)

    def _tell(self) -> None:
        if self.paused:
            log.error("the disk is nearly full: nothing is taken in until there is room", free=self.free, path=str(self._path))
        else:
            log.info("there is room on the disk again", free=self.free, path=str(self._path))

    def _content(self) -> str:
        found = {"paused": self.paused, "used": self.used, "free": self.free, "days_left": self.days_left, "at": self._clock()}
        return json.dumps(found)


def write_report(path: Path, content: str) -> None:
    """Replace the file whole: a reader never sees half of it."""
    fresh = path.with_suffix(".new")
    fresh.write_text(content)
    fresh.replace(path)
