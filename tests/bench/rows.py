"""Batches for the writer: rows of many devices as their messages arrive, with some messages sent again."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ingest.batch import DAY_US, Batch, Row, moment_of
from iotsphere import topics
from iotsphere.delivery import Delivery
from iotsphere.registry import DeviceRecord

POINTS = 5
MEASUREMENTS = tuple(f"m{number}" for number in range(POINTS))


@dataclass(frozen=True, slots=True)
class Fleet:
    """Devices that report in turn, one message each ``apart_us``.

    Attributes:
        names: of the devices.
        start_us: the first message's time, µs since the Unix epoch.
    """

    names: Sequence[str]
    start_us: int
    apart_us: int

    def message(self, number: int) -> list[Row]:
        """The rows of the number-th message of all."""
        turn, which = divmod(number, len(self.names))
        moment = moment_of(self.start_us + turn * self.apart_us)
        device = self.names[which]
        return [(device, moment, name, float((number + place) % 1000) / 10, None) for place, name in enumerate(MEASUREMENTS)]

    def batches(self, messages: int, per_batch: int, repeated: float = 0.0) -> Iterator[Batch]:
        """Batches of so many messages; a share of them are those of the batch before, spread evenly over it, as doubtful."""
        again = round(per_batch * repeated)
        first, before = 0, 0
        while first < messages:
            last = min(first + per_batch - (again if first else 0), messages)
            batch = Batch(days={self.start_us // DAY_US, self._day(last)})
            for number in range(first, last):
                batch.fresh.add(self.message(number), _delivery(self.names[number % len(self.names)]))
            if first and again:
                for number in range(before, first, max(1, (first - before) // again))[:again]:
                    batch.doubtful.add(self.message(number), _delivery(self.names[number % len(self.names)]))
            yield batch
            first, before = last, first

    def _day(self, number: int) -> int:
        return (self.start_us + number // len(self.names) * self.apart_us) // DAY_US


def _delivery(device: str) -> Delivery:
    record = DeviceRecord(device, "default", "", "device", "active")
    return Delivery(record, topics.Route(device, topics.Kind.TELEMETRY), topics.telemetry(device), b"", 1, False, 0, 0)
