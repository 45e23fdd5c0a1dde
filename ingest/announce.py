"""After the commit: readings to the event bus, newest values to the latest store. Delays nothing and raises nothing."""

import asyncio
import time
from collections import deque
from collections.abc import Iterable, Sequence

import structlog

from ingest.batch import DeadLetter, Row, unix_us
from ingest.latest import LatestStore
from ingest.latest_value import Newest, about, add_newest
from ingest.metrics import IngestMetrics
from ingest.store import Outcome
from iotsphere.bus import EventBus
from iotsphere.events import MAX_POINTS, MessageRefused, TelemetryEnvelope

log = structlog.get_logger()

QUEUED = 100_000  # readings and letters; policy when full: drop the oldest commit, counted
VERBATIM = 2_000  # a round with more readings tells only the newest of each measurement
IN_A_TURN = 1_000  # readings looked at, some 0.3 ms
REFUSALS = 100  # told in a round
REST, LONGEST_PAUSE = 4, 0.25  # after a round, so many times as long as it took: at most a fifth of the time goes into this

Point = tuple[str, float, str, float, bool]


class Announcer:
    """One task between the commits and those who listen."""

    def __init__(self, bus: EventBus, latest: LatestStore, metrics: IngestMetrics) -> None:
        self._bus = bus
        self._latest = latest
        self._metrics = metrics
        self._queue: deque[Outcome] = deque()
        self._queued = 0
        self._arrived = asyncio.Event()
        self._stopping = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._run(), name="ingest-announcer")

    async def stop(self) -> None:
        """Announce what waits, and end."""
        self._stopping = True  # no cancellation: a round that was begun is told to the end
        self._arrived.set()
        if self._task is not None:
            await self._task

    def offer(self, outcome: Outcome) -> None:
        """This was committed. Returns at once."""
        self._queue.append(outcome)
        self._queued += _size(outcome)
        while self._queued > QUEUED and len(self._queue) > 1:
            self._drop(self._queue.popleft())
        self._arrived.set()

    def _drop(self, outcome: Outcome) -> None:
        self._queued -= _size(outcome)
        self._metrics.announce_drops.inc(_size(outcome))
        self._latest.forget({row[0] for rows in outcome.rows for row in rows})

    async def _run(self) -> None:
        while not self._stopping or self._queue:
            await self._arrived.wait()
            began = time.monotonic()
            try:
                await self._round()
            except Exception:  # a defect of ours must not end the announcements
                log.exception("an announcement failed")
            await asyncio.sleep(min(REST * (time.monotonic() - began), LONGEST_PAUSE))

    async def _round(self) -> None:
        self._arrived.clear()
        outcomes = list(self._queue)
        self._queue.clear()
        self._queued = 0
        newest: Newest = {}
        for outcome in outcomes:
            for part in outcome.rows:
                for start in range(0, len(part), IN_A_TURN):
                    add_newest(newest, part[start : start + IN_A_TURN])
                    await asyncio.sleep(0)  # a large round takes milliseconds: the commits go first
        if newest:
            self._latest.offer(newest)
            await self._tell_points(outcomes, newest)
        await self._tell_refusals([letter for outcome in outcomes for letter in outcome.letters])

    async def _tell_points(self, outcomes: Sequence[Outcome], newest: Newest) -> None:
        count = sum(len(part) for outcome in outcomes for part in outcome.rows)
        rows = list(newest.values())
        if count <= VERBATIM:
            rows = [row for outcome in outcomes for part in outcome.rows for row in part]
        self._metrics.coalesced.inc(count - len(rows))
        sent_at = int(time.time() * 1000)
        for start in range(0, len(rows), MAX_POINTS):
            points = [_point(row) for row in rows[start : start + MAX_POINTS]]
            await self._bus.publish(TelemetryEnvelope(sent_at=sent_at, points=points))
            self._metrics.announced.inc(len(points))

    async def _tell_refusals(self, letters: Sequence[DeadLetter]) -> None:
        events = refusals_of(letters, int(time.time() * 1000))
        for event in events[:REFUSALS]:
            await self._bus.publish(event)
        self._metrics.announce_drops.inc(max(0, len(events) - REFUSALS))


def _size(outcome: Outcome) -> int:
    return sum(map(len, outcome.rows)) + len(outcome.letters)


def _point(row: Row) -> Point:
    device, moment, measurement, value, metadata = row
    return device, unix_us(moment) / 1000, measurement, float(value), metadata is not None and about(metadata)[0] == "simulation"


def refusals_of(letters: Iterable[DeadLetter], at: int) -> list[MessageRefused]:
    """Equal refusals of a device are told once, with their number."""
    counts: dict[tuple[str, str, str], int] = {}
    for letter in letters:
        key = (letter.device.id, letter.category, letter.reason)
        counts[key] = counts.get(key, 0) + 1
    return [MessageRefused(device=d, category=c, reason=r, at=at, count=n) for (d, c, r), n in counts.items()]
