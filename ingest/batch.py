"""What a batch of telemetry messages becomes: rows to store, and dead letters. Plain data."""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from ingest.arrivals import Arrivals
from iotsphere.delivery import Delivery
from iotsphere.registry import DeviceRecord

# A moment is µs since 2000-01-01, as PostgreSQL counts, in the one-element tuple that the driver's "tuple" codecs take:
# encoding a datetime costs 0.5 µs a row, this 0.05.
Moment = tuple[int]
Row = tuple[str, Moment, str, float, str | None]
COLUMNS = ("device_id", "timestamp", "measurement", "value", "metadata")
POSTGRES_EPOCH_US = 946_684_800_000_000
DAY_US = 86_400_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def moment_of(unix_us: int) -> Moment:
    """The moment of µs since the Unix epoch."""
    return (unix_us - POSTGRES_EPOCH_US,)


def unix_us(moment: Moment) -> int:
    """µs since the Unix epoch."""
    return moment[0] + POSTGRES_EPOCH_US


def text_of(moment: Moment) -> str:
    """The moment in ISO 8601."""
    return (_EPOCH + timedelta(microseconds=unix_us(moment))).isoformat()


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """Something that cannot be stored, with the reason and the payload it came in.

    Attributes:
        measurement: the one value that is meant, None for the whole message.
        category: ``validation``, ``clock``, ``conflict`` or ``store``.
        received_at: when the message came, ms since the Unix epoch.
    """

    device: DeviceRecord
    topic: str
    payload: bytes
    measurement: str | None
    category: str
    reason: str
    received_at: int


def letter(delivery: Delivery, measurement: str | None, category: str, reason: str) -> DeadLetter:
    """The dead letter of a delivery or of one of its values."""
    return DeadLetter(delivery.device, delivery.topic, delivery.payload, measurement, category, reason, delivery.received_at)


@dataclass(slots=True)
class Rows:
    """Rows, and which delivery each came from.

    Attributes:
        ends: position after the last row of each source.
        sources: the deliveries.
    """

    rows: list[Row] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    sources: list[Delivery] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.rows)

    def add(self, rows: list[Row], source: Delivery) -> None:
        """Append the rows of one message."""
        self.rows += rows
        self.ends.append(len(self.rows))
        self.sources.append(source)

    def origin(self, position: int) -> Delivery:
        """Where the row at a position came from."""
        return self.sources[bisect_right(self.ends, position)]

    def pick(self, positions: Iterable[int]) -> "Rows":
        """Some of the rows."""
        picked = Rows()
        for position in positions:
            picked.add([self.rows[position]], self.origin(position))
        return picked

    def followed_by(self, other: "Rows") -> "Rows":
        """These and the others."""
        offset = len(self.rows)
        return Rows(self.rows + other.rows, self.ends + [end + offset for end in other.ends], self.sources + other.sources)

    def halves(self) -> tuple["Rows", "Rows"]:
        """The first and the second half."""
        middle = (len(self.rows) + 1) // 2
        return self.pick(range(middle)), self.pick(range(middle, len(self.rows)))

    def on_days(self, days: set[int]) -> tuple["Rows", "Rows"]:
        """The rows of other days, and those of these days."""
        inside = [day_of(row) in days for row in self.rows]
        return self.pick(i for i, found in enumerate(inside) if not found), self.pick(
            i for i, found in enumerate(inside) if found
        )


def day_of(row: Row) -> int:
    """Days since the Unix epoch (UTC): the partition."""
    return unix_us(row[1]) // DAY_US


BootKey = tuple[str, str]
Run = tuple[str, str | int]  # a device, and its boot (text) or its session (number): sequence numbers count within it


@dataclass(slots=True)
class Batch:
    """What is committed together.

    Attributes:
        fresh: new for all that is known.
        doubtful: may be in the table already.
        letters: dead letters.
        days: the days (since the Unix epoch) of all rows.
        lost: devices of which something cannot be kept even as a dead letter.
        arrivals: the sequence numbers; committed with the last part of the batch when it is split.
        unknown: boots that must be looked up, with the offset (µs) they get when they are new.
        strange: runs of sequence numbers that must be looked up, with their devices.
        deferred: deliveries that wait for that.
    """

    fresh: Rows = field(default_factory=Rows)
    doubtful: Rows = field(default_factory=Rows)
    letters: list[DeadLetter] = field(default_factory=list)
    days: set[int] = field(default_factory=set)
    arrivals: Arrivals = field(default_factory=Arrivals)
    lost: list[DeviceRecord] = field(default_factory=list)
    unknown: dict[BootKey, int] = field(default_factory=dict)
    strange: dict[Run, DeviceRecord] = field(default_factory=dict)
    deferred: list[Delivery] = field(default_factory=list)

    def size(self) -> int:
        """Rows and letters."""
        return len(self.fresh) + len(self.doubtful) + len(self.letters)

    def without(self, days: set[int]) -> tuple["Batch", "Batch"]:
        """The batch without the rows of some days, and those rows as a batch of their own."""
        fresh, fresh_waiting = self.fresh.on_days(days)
        doubtful, doubtful_waiting = self.doubtful.on_days(days)
        return Batch(fresh, doubtful, self.letters, self.days - days), Batch(
            fresh_waiting, doubtful_waiting, [], self.days & days, self.arrivals
        )

    def halves(self) -> tuple["Batch", "Batch"]:
        """Two batches, each with about half of everything; the letters go first, rows without them."""
        if self.letters and not self.fresh and not self.doubtful:
            middle = (len(self.letters) + 1) // 2
            return Batch(letters=self.letters[:middle]), Batch(letters=self.letters[middle:])
        if self.letters:
            return Batch(letters=self.letters), Batch(self.fresh, self.doubtful, days=self.days, arrivals=self.arrivals)
        if not self.fresh or not self.doubtful:
            (a, b), (c, d) = self.fresh.halves(), self.doubtful.halves()
            return Batch(a, c, days=self.days), Batch(b, d, days=self.days, arrivals=self.arrivals)
        return Batch(self.fresh, days=self.days), Batch(doubtful=self.doubtful, days=self.days, arrivals=self.arrivals)
