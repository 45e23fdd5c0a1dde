"""What is told after a commit, and what is dropped when there is too much."""

from typing import Any

import pytest
import redis.asyncio

from ingest import announce
from ingest.announce import Announcer, refusals_of
from ingest.batch import DeadLetter, Row, letter, moment_of
from ingest.latest import LatestStore
from ingest.latest_value import add_newest
from ingest.metrics import IngestMetrics
from ingest.store import Outcome
from iotsphere.bus import MemoryBus
from iotsphere.events import DEVICE_TELEMETRY, Event, TelemetryEnvelope
from tests.support.devices import delivery, thermometer

NOW_US = 1_764_000_000_000_000


def row(device: str, n: int, measurement: str = "temperature", metadata: str | None = None) -> Row:
    return device, moment_of(NOW_US + n), measurement, float(n), metadata


class Rig:
    def __init__(self) -> None:
        no_pool: Any = None
        self.latest = LatestStore(redis.asyncio.Redis(), no_pool)  # never started: nothing is sent
        self.bus, self.metrics, self.events = MemoryBus(), IngestMetrics(), []
        self.bus.subscribe(DEVICE_TELEMETRY, self._hear)
        self.announcer = Announcer(self.bus, self.latest, self.metrics)

    async def _hear(self, event: Event) -> None:
        self.events.append(event)

    @property
    def told(self) -> list[tuple[str, float]]:
        return [(p[0], p[3]) for e in self.events if isinstance(e, TelemetryEnvelope) for p in e.points]


def test_the_newest_of_each_measurement_by_its_own_time() -> None:
    newest: dict[tuple[str, str], Row] = {}
    add_newest(newest, [row("a", 2), row("a", 1), row("b", 5), row("a", 3, "humidity"), row("b", 5)])
    assert newest == {
        ("a", "temperature"): row("a", 2),
        ("b", "temperature"): row("b", 5),
        ("a", "humidity"): row("a", 3, "humidity"),
    }


def test_equal_refusals_are_told_once_with_their_number() -> None:
    def bad(device: str, reason: str) -> DeadLetter:
        return letter(delivery(b"", device=thermometer(device)), None, "clock", reason)

    found = refusals_of([bad("a", "x"), bad("b", "x"), bad("a", "x"), bad("a", "y")], 7)
    assert [(e.device, e.reason, e.count, e.at) for e in found] == [("a", "x", 2, 7), ("b", "x", 1, 7), ("a", "y", 1, 7)]


async def test_a_simulated_reading_says_so() -> None:
    rig = Rig()
    rig.announcer.start()
    rig.announcer.offer(
        Outcome([[row("a", 1), row("a", 2, metadata='{"source": "simulation"}'), row("a", 3, metadata='{"source": "import"}')]])
    )
    await rig.announcer.stop()
    [envelope] = rig.events
    assert isinstance(envelope, TelemetryEnvelope)
    assert [p[4] for p in envelope.points] == [False, True, False]


async def test_the_oldest_are_dropped_counted_and_not_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(announce, "QUEUED", 10)
    rig = Rig()
    for n in range(5):
        rig.announcer.offer(Outcome([[row(f"d-{n}", k) for k in range(4)]]))
    rig.announcer.start()
    await rig.announcer.stop()
    assert {device for device, _ in rig.told} == {"d-3", "d-4"}
    assert rig.metrics.announce_drops._value.get() == 12
    assert rig.latest._distrusted == {"d-0", "d-1", "d-2"}, "their newest values must be read from the table"


async def test_a_bus_that_fails_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig()
    publish = rig.bus.publish

    async def fail(event: Event) -> None:
        rig.bus.publish = publish  # type: ignore[method-assign]
        raise RuntimeError("a defect")

    rig.bus.publish = fail  # type: ignore[method-assign]
    rig.announcer.start()
    rig.announcer.offer(Outcome([[row("a", 1)]]))
    await announce.asyncio.sleep(0)
    await announce.asyncio.sleep(0)
    await announce.asyncio.sleep(0)
    rig.announcer.offer(Outcome([[row("a", 2)]]))
    await rig.announcer.stop()
    assert rig.told == [("a", 2.0)]
