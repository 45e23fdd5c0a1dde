"""Prometheus metrics of ingest. Labels are bound once."""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from ingest.arrivals import Arrivals
from ingest.batch import DeadLetter

CATEGORIES = ("validation", "clock", "conflict", "store")
_SIZES = (1, 5, 20, 100, 500, 2000, 5000, 10_000, 20_000, 50_000)
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0)


class IngestMetrics:
    """One set a process.

    Args:
        registry: where they are shown; a fresh one when none is given.
    """

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        registry = registry or CollectorRegistry()
        self.messages = Counter("iotsphere_ingest_messages", "Telemetry messages committed", registry=registry)
        self.points = Counter("iotsphere_ingest_points", "Readings committed, repeated ones included", registry=registry)
        self.events = Counter("iotsphere_ingest_events", "Event and status messages committed", registry=registry)
        letters = Counter("iotsphere_ingest_dead_letters", "What could not be stored", ["category"], registry=registry)
        self._letters = {category: letters.labels(category) for category in CATEGORIES}
        self.lost_letters = Counter("iotsphere_ingest_lost_letters", "Dead letters that could not be kept", registry=registry)
        self.trimmed_letters = Counter(
            "iotsphere_ingest_trimmed_letters", "Dead letters that went because of their age or their size", registry=registry
        )
        replays = Counter("iotsphere_ingest_replayed_letters", "Dead letters that were replayed", ["outcome"], registry=registry)
        self._replays = replays.labels("came_through"), replays.labels("failed")
        self.staged = Counter("iotsphere_ingest_staged_batches", "Batches that went through staging", registry=registry)
        self.split = Counter(
            "iotsphere_ingest_split_batches", "Batches split because of a row that cannot be stored", registry=registry
        )
        self.packed_bytes = Counter(
            "iotsphere_ingest_packed_bytes", "Bytes that packing the indexes of days gone by has set free", registry=registry
        )
        self._numbers = [
            Counter(f"iotsphere_ingest_sequence_{name}", about, registry=registry)
            for name, about in (
                ("received", "Numbered messages committed, each counted once"),
                ("repeated", "Numbered messages that had come before"),
                ("late", "Numbered messages that came after one with a higher number"),
                ("declared_lost", "Numbers that devices say they had to drop"),
            )
        ]
        self.sequence_missing = Gauge(
            "iotsphere_ingest_sequence_missing", "Numbers that neither came nor are declared lost", registry=registry
        )
        self.batch_points = Histogram("iotsphere_ingest_batch_points", "Readings a commit", buckets=_SIZES, registry=registry)
        self.commit_seconds = Histogram(
            "iotsphere_ingest_commit_seconds", "From batch to commit", buckets=_SECONDS, registry=registry
        )
        self.away = Gauge("iotsphere_ingest_store_away", "1 while commits wait for PostgreSQL", registry=registry)
        self.announced = Counter("iotsphere_ingest_announced_points", "Readings put on the bus", registry=registry)
        self.coalesced = Counter(
            "iotsphere_ingest_coalesced_points", "Readings not announced because a newer one was, under load", registry=registry
        )
        self.announce_drops = Counter(
            "iotsphere_ingest_announce_dropped", "Readings and refusals never announced", registry=registry
        )
        self.disk_free = Gauge("iotsphere_disk_free_bytes", "Free on the file system of the data", registry=registry)
        self.disk_used = Gauge("iotsphere_disk_used_bytes", "Used on the file system of the data", registry=registry)
        self.disk_paused = Gauge("iotsphere_disk_paused", "1 while intake pauses for want of disk", registry=registry)

    def buried(self, letters: Iterable[DeadLetter]) -> None:
        """Count dead letters."""
        for letter in letters:
            self._letters[letter.category].inc()

    def replayed(self, came_through: int, failed: int) -> None:
        """Count dead letters that were replayed."""
        for counter, count in zip(self._replays, (came_through, failed), strict=True):
            counter.inc(count)

    def arrived(self, arrivals: Arrivals) -> None:
        """Count sequence numbers."""
        if arrivals:
            for counter, count in zip(self._numbers, arrivals.counts(), strict=True):
                counter.inc(count)
