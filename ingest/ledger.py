"""What this process knows of the sequence numbers of its devices: which came, which of them are committed. Pure.

It is a memory of what the table says and of what came since, never ahead of the truth: a number counts as committed only
when it is, and what has been forgotten is merely not known.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from ingest.arrivals import Arrivals, Entry
from ingest.batch import Run
from ingest.boots import is_boot
from ingest.intervals import Intervals, Range
from ingest.sequences import HIGHEST, KEPT, RANGES
from iotsphere.delivery import Delivery
from iotsphere.registry import DeviceRecord

WARM = 50_000  # runs remembered, 0.7 kB each; policy when full: the half that was not heard of for longest is forgotten
SEPARATOR = "\x1f"  # no name of ours holds it


@dataclass(frozen=True, slots=True)
class Kept:
    """What the table knows of a run."""

    seen: Intervals
    newest: int


class Known:
    """The numbers of one run of a device.

    Attributes:
        device: whose owner the account belongs to; another owner's account is another one.
        name: the boot, or the session.
        key: its name in the table's journal.
        seen: numbers that came, those of batches under way too.
        newest: no event time is later, ms since the Unix epoch.
        serial: the last batch in which a new number came.
        top, first: the highest number; where the ascending run begins that this batch has of it, -1 for none.
        closed: ascending runs that this batch had of it before.
        odd: what else this batch has, None for nothing.
    """

    __slots__ = ("closed", "device", "first", "key", "name", "newest", "odd", "seen", "serial", "top")

    def __init__(self, device: DeviceRecord, name: str | int, kept: Kept | None) -> None:
        boot, session = (name, 0) if isinstance(name, str) else ("", name)
        self.device, self.name = device, name
        self.key = SEPARATOR.join((device.organization, device.id, str(session), boot))
        self.seen = kept.seen if kept else Intervals()
        self.newest: float = kept.newest if kept else 0
        self.serial = 0
        self.top = self.seen.edges[-1] - 1 if self.seen else -1
        self.first = -1
        self.closed: list[Range] = []
        self.odd: list[Entry] | None = None

    def came(self, number: int) -> bool:
        """Whether a number came before."""
        return number in self.seen or 0 <= self.first <= number <= self.top

    def note(self, number: int, late: int) -> None:
        """A message that is not part of an ascending run."""
        if self.odd:
            last = self.odd[-1]
            if last[1] + 1 == number and last[2] and bool(last[3]) == bool(late):  # a backlog, told in one entry
                last[1], last[2], last[3] = number, last[2] + 1, last[3] + late
                return
        self.put([number, number, 1, late])

    def put(self, entry: Entry) -> None:
        """Something odd."""
        if self.odd is None:
            self.odd = []
        self.odd.append(entry)

    def add(self, first: int, last: int) -> None:
        """New numbers."""
        edges = self.seen.edges
        if edges and edges[-1] == first:
            edges[-1] = last + 1
            return
        self.seen.add(first, last)
        if self.seen.ranges > RANGES:  # the table knows them better
            del edges[: -2 * KEPT]


class Ledger:
    """Notes numbers as they arrive.

    A batch is built thus: begin(); find() every run and note() every message, again for those that were looked up and given to
    learn(); seal(); and committed() when it is.
    """

    def __init__(self, warm: int = WARM) -> None:
        self._half = warm // 2
        self._warm: dict[Run, Known] = {}
        self._cool: dict[Run, Known] = {}
        self._at_hand: dict[str, Known] = {}  # the run of each device that was found last; all of them are warm
        self._touched: list[Known] = []
        self._serial = 0
        self._under_way: set[int] = set()
        self._done = 1  # batches below it are committed

    def begin(self) -> Arrivals:
        """Where the numbers of a new batch go."""
        self._serial += 1
        self._under_way.add(self._serial)
        return Arrivals(self._serial)

    def committed(self, arrivals: Arrivals) -> None:
        """A batch is in the table."""
        self._under_way.discard(arrivals.serial)
        self._done = min(self._under_way, default=self._serial + 1)

    def find(self, delivery: Delivery, boot: str | int | None) -> Known | None:
        """The run that a message belongs to; None when it must be looked up."""
        device, run = delivery.device, run_of(delivery, boot)
        known = self._warm.get(run)
        if known is None:
            known = self._cool.pop(run, None)
            if known is None:
                return None
            self._keep(run, known)
        if known.device.organization != device.organization:
            return None
        known.device = device
        self._at_hand[device.id] = known
        return known

    def _keep(self, run: Run, known: Known) -> None:
        if len(self._warm) >= self._half:
            self._cool, self._warm, self._at_hand = self._warm, {}, {}
        self._warm[run] = known

    def learn(self, devices: Mapping[Run, DeviceRecord], found: Mapping[Run, Kept]) -> None:
        """Remember what was looked up; runs that were not found are new."""
        for run, device in devices.items():
            here = self._warm.get(run) or self._cool.get(run)
            if here is None or here.device.organization != device.organization:  # another batch may have looked it up meanwhile
                self._keep(run, Known(device, run[1], found.get(run)))

    def follows(self, delivery: Delivery, boot: str | int | None, number: int, ts: float) -> bool:
        """For the hot loop, find and note in one: whether this was the next number of a run at hand; nothing is noted if not."""
        device = delivery.device
        known = self._at_hand.get(device.id)
        if known is None or number != known.top + 1 or known.device is not device:
            return False
        if known.name != (delivery.session if boot is None else boot):
            return False
        known.top = number
        if known.first < 0:
            known.first = number
            if known.odd is None:
                self._touched.append(known)
        if ts > known.newest:
            known.newest = ts
        return True

    def note(self, known: Known, number: int, ts: float | None, by_boot: bool) -> bool:
        """A message with this number came; returns whether this very message is known to be committed.

        Args:
            ts: the event time that the device gave, ms since the Unix epoch; None when it gave none.
            by_boot: the device names its boot, so that a number means the same message in every session.
        """
        if number <= known.top:
            return self._below(known, number) and by_boot and (ts is None or ts <= known.newest)
        if known.first < 0:
            self._touch(known)
            known.first = number
        elif number != known.top + 1:
            self._close(known)
            known.first = number
        known.top = number
        if ts is not None and ts > known.newest:
            known.newest = ts
        return False

    def _touch(self, known: Known) -> None:
        """It has something for this batch."""
        if known.first < 0 and known.odd is None:
            self._touched.append(known)

    def _below(self, known: Known, number: int) -> bool:
        """A number that is not the highest came. Returns whether it is committed.

        A device that begins again at 0 under the name of an older boot has old numbers too: its readings are newer.
        """
        self._touch(known)
        if known.came(number):
            known.note(number, late=0)
            return known.serial < self._done and number in known.seen
        known.note(number, late=1)
        known.serial = self._serial
        known.add(number, number)
        return False

    def declare(self, known: Known, first: int, last: int) -> None:
        """The device says that it had to drop these."""
        self._touch(known)
        known.put([first, last, 0, 0])

    def _close(self, known: Known) -> None:
        """The ascending run of this batch ends, and another one will begin."""
        known.closed.append((known.first, known.top))
        known.add(known.first, known.top)
        known.serial = self._serial

    def seal(self, arrivals: Arrivals) -> None:
        """Everything that was noted since the last time belongs to this batch."""
        keys, firsts, lasts, newest = arrivals.keys.append, arrivals.firsts.append, arrivals.lasts.append, arrivals.newest.append
        serial = self._serial  # another batch may have begun since: what is not certain yet stays uncertain for longer
        for known in self._touched:
            first = known.first
            if first >= 0:
                keys(known.key)
                firsts(first)
                lasts(known.top)
                newest(int(known.newest) + 1)
                known.add(first, known.top)
                known.serial = serial
                known.first = -1
                if known.closed:
                    self._tell_closed(known, arrivals)
            if known.odd is not None:
                arrivals.odd_keys += [known.key] * len(known.odd)
                arrivals.odd += known.odd
                known.odd = None
        self._touched = []

    def _tell_closed(self, known: Known, arrivals: Arrivals) -> None:
        for first, last in known.closed:
            arrivals.keys.append(known.key)
            arrivals.firsts.append(first)
            arrivals.lasts.append(last)
            arrivals.newest.append(int(known.newest) + 1)
        known.closed = []


def number_of(value: object) -> int | None:
    """The sequence number that a device gave, None for what cannot be one."""
    return value if type(value) is int and 0 <= value <= HIGHEST else None


def range_of(value: object) -> tuple[int, int] | None:
    """The range that a device declares lost, None for what cannot be one."""
    if not isinstance(value, list | tuple) or len(value) != 2:
        return None
    first, last = number_of(value[0]), number_of(value[1])
    return (first, last) if first is not None and last is not None and first <= last else None


def nameable(boot: str | int | None) -> bool:
    """Whether an account can be kept under this name."""
    return boot is None or is_boot(str(boot))


def run_of(delivery: Delivery, boot: str | int | None) -> Run:
    """The run that a message belongs to."""
    return delivery.device.id, delivery.session if boot is None else str(boot)
