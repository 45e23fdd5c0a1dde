"""Messages from the moment they are handed over to their PUBACK: their order, their turns, and which go when there is no room.

Pure. What makes them survive a restart is in journal.py, which is given every change.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Literal

from device_sdk.receipt import Receipt
from iotsphere.errors import InvalidInput
from iotsphere.messages import MAX_PAYLOAD_BYTES

Policy = Literal["drop_oldest", "drop_newest", "by_priority"]
Priority = Literal["low", "normal", "high"]
RANK: dict[Priority, int] = {"low": 0, "normal": 1, "high": 2}
OVERHEAD = 100  # bytes that a message takes besides its topic and payload


class Stream(IntEnum):
    """Messages of one stream go out in the order in which they were handed over."""

    ANSWER = 0
    EVENT = 1
    READING = 2


@dataclass(slots=True, eq=False)
class Entry:
    """One message, or several readings that go out as one.

    Attributes:
        body: the payload; of several readings, one after the other without a frame (see readings.py).
        rank: of its priority; the higher ones stay longer under ``by_priority``.
        at: seconds since the Unix epoch at which it was handed over, by the device's clock.
        boot, seq, count: of readings: the run, the number of the first, and how many; else "", 0, 0.
        id: its place in the order, over all streams.
    """

    stream: Stream
    topic: str
    body: bytes
    rank: int
    at: float = 0.0
    boot: str = ""
    seq: int = 0
    count: int = 0
    id: int = 0
    receipt: Receipt | None = None

    @property
    def size(self) -> int:
        """Bytes that count against the bound."""
        return len(self.body) + len(self.topic) + OVERHEAD


@dataclass(frozen=True, slots=True)
class Limits:
    """How much may wait. Memory holds it all, in two to three times as many bytes.

    Attributes:
        bytes: topics, payloads and OVERHEAD for each message.
        age_s: older messages go, whatever the policy; counted by the device's clock, of a device without one from its start.
        policy: ``drop_oldest``, ``drop_newest`` (the one that has no room), or ``by_priority``: the oldest of the lowest
            priority, which may be the new one. What is on its way never goes; if all is, the new one does.
        messages: so many at most; None for no such bound.
    """

    bytes: int = 16 * 1024 * 1024
    age_s: float = 7 * 86_400.0
    policy: Policy = "drop_oldest"
    messages: int | None = None

    def __post_init__(self) -> None:
        if self.policy not in ("drop_oldest", "drop_newest", "by_priority"):
            raise InvalidInput("policy", "must be drop_oldest, drop_newest or by_priority")


class Lane:
    """A queue with a deque for each rank; together they keep the order of the ids.

    Attributes:
        readings: how many wait in it.
        since: when the oldest of them began to wait, monotonic seconds.
    """

    def __init__(self) -> None:
        self._ranks: tuple[deque[Entry], ...] = tuple(deque() for _ in RANK)
        self.readings = 0
        self.since = 0.0

    def __bool__(self) -> bool:
        return any(self._ranks)

    def __iter__(self) -> Iterator[Entry]:
        return iter(sorted((entry for rank in self._ranks for entry in rank), key=_id))

    def append(self, entry: Entry) -> None:
        """At the end."""
        self._ranks[entry.rank].append(entry)
        self.readings += entry.count

    def put_back(self, entries: Iterable[Entry]) -> None:
        """At the beginning; all of them are older than what is here."""
        for entry in sorted(entries, key=_id, reverse=True):
            self._ranks[entry.rank].appendleft(entry)
            self.readings += entry.count

    def first(self) -> Entry | None:
        """The oldest."""
        return min((rank[0] for rank in self._ranks if rank), key=_id, default=None)

    def oldest_of(self, rank: int) -> Entry | None:
        """The oldest of that rank."""
        return self._ranks[rank][0] if self._ranks[rank] else None

    def pop(self, entry: Entry) -> None:
        """Take one that is the oldest of its rank."""
        self._ranks[entry.rank].popleft()
        self.readings -= entry.count


def _id(entry: Entry) -> int:
    return entry.id


class Outbox:
    """Room, order and turns.

    Answers to commands go first. Then events, fresh readings and the backlog of readings take turns, so that a long backlog
    delays what is measured now by no more than two messages. Backlog is what had been handed over before this connection.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._answers, self._events, self._fresh, self._backlog = self._lanes = (Lane(), Lane(), Lane(), Lane())
        self._turns = deque((self._events, self._fresh, self._backlog))
        self._on_the_way: dict[int, tuple[Lane, Entry]] = {}
        self._bytes = 0
        self._count = 0

    def __len__(self) -> int:
        return self._count

    @property
    def bytes(self) -> int:
        """How much of the bound is taken."""
        return self._bytes

    # ── coming in ──────────────────────────────────────────────────────────────────────────────────────────────────

    def make_room(self, entry: Entry, now: float) -> list[Entry]:
        """Count a new message in; returns those that had to go, which may be this one."""
        self._count_in(entry)
        gone = self.expire(now)
        while self._over:
            victim = self._victim(entry)
            gone.append(victim)
            if victim is entry:
                self._count_out(entry)
                break
            self._drop(victim)
        return gone

    def admit(self, entry: Entry, now: float, *, backlog: bool = False) -> None:
        """It is kept, and may go out. ``now`` in monotonic seconds."""
        lane = self._lane_of(entry, backlog)
        if not lane:
            lane.since = now
        lane.append(entry)

    def discard(self, entry: Entry) -> None:
        """It could not be kept."""
        self._count_out(entry)

    def load(self, entries: Iterable[Entry]) -> None:
        """What an earlier run has left, in its order."""
        for entry in entries:
            self._count_in(entry)
            self._lane_of(entry, backlog=True).append(entry)

    def expire(self, now: float) -> list[Entry]:
        """Messages that are too old; ``now`` as their ``at``."""
        gone: list[Entry] = []
        for lane in self._lanes:
            for rank in RANK.values():
                while (entry := lane.oldest_of(rank)) is not None and entry.at < now - self._limits.age_s:
                    lane.pop(entry)
                    self._count_out(entry)
                    gone.append(entry)
        return gone

    @property
    def _over(self) -> bool:
        messages = self._limits.messages
        return self._bytes > self._limits.bytes or (messages is not None and self._count > messages)

    def _victim(self, new: Entry) -> Entry:
        if self._limits.policy == "drop_newest":
            return new
        if self._limits.policy == "drop_oldest":
            return min(filter(None, (lane.first() for lane in self._lanes)), key=_id, default=new)
        for rank in range(new.rank + 1):
            found = min(filter(None, (lane.oldest_of(rank) for lane in self._lanes)), key=_id, default=None)
            if found is not None:
                return found
        return new

    def _drop(self, entry: Entry) -> None:
        lane = next(lane for lane in self._lanes if lane.oldest_of(entry.rank) is entry)
        lane.pop(entry)
        self._count_out(entry)

    def _lane_of(self, entry: Entry, backlog: bool) -> Lane:
        if entry.stream is Stream.READING:
            return self._backlog if backlog else self._fresh
        return self._answers if entry.stream is Stream.ANSWER else self._events

    def _count_in(self, entry: Entry) -> None:
        self._bytes += entry.size
        self._count += 1

    def _count_out(self, entry: Entry) -> None:
        self._bytes -= entry.size
        self._count -= 1

    # ── going out ──────────────────────────────────────────────────────────────────────────────────────────────────

    def waiting(self, now: float, batch: "Batching") -> bool:
        """Whether take() has something."""
        return any(lane and self._ripe(lane, now, batch) for lane in self._lanes)

    def ripe_at(self, batch: "Batching") -> float | None:
        """When fresh readings will have waited long enough, monotonic seconds; None when none wait."""
        return self._fresh.since + batch.seconds if self._fresh else None

    def take(self, now: float, batch: "Batching") -> list[Entry]:
        """The messages to send next, as one: readings as many as belong together, else one; none when nothing is ripe."""
        if self._answers:
            return self._pop(self._answers, 1, 0)
        for _ in range(len(self._turns)):
            lane = self._turns[0]
            self._turns.rotate(-1)
            if lane and self._ripe(lane, now, batch):
                lane.since = now
                return self._pop(lane, batch.count, batch.bytes)
        return []

    def _ripe(self, lane: Lane, now: float, batch: "Batching") -> bool:
        return lane is not self._fresh or lane.readings >= batch.count or now >= lane.since + batch.seconds

    def _pop(self, lane: Lane, readings: int, size: int) -> list[Entry]:
        taken: list[Entry] = []
        while (entry := lane.first()) is not None:
            readings, size = readings - entry.count, size - len(entry.body)
            if taken and (readings < 0 or size < 0 or not entry.count or packed(entry) != packed(taken[0])):
                break
            lane.pop(entry)
            self._on_the_way[entry.id] = (lane, entry)
            taken.append(entry)
        return taken

    def acknowledged(self, entry: Entry) -> bool:
        """Its PUBACK came: forget it. False: it was not on its way in this connection."""
        if self._on_the_way.pop(entry.id, None) is None:
            return False
        self._count_out(entry)
        return True

    def restart(self) -> None:
        """A connection has ended or begun: what was on its way goes again, in the old order, and all readings are backlog."""
        for lane in self._lanes:
            lane.put_back(entry for home, entry in self._on_the_way.values() if home is lane)
        self._on_the_way.clear()
        for entry in self._fresh:
            self._backlog.append(entry)
            self._fresh.pop(entry)

    def __iter__(self) -> Iterator[Entry]:
        """All of them, in order."""
        flying = (entry for _, entry in self._on_the_way.values())
        yield from sorted([*flying, *(entry for lane in self._lanes for entry in lane)], key=_id)


def packed(entry: Entry) -> bool:
    """Whether it is MessagePack: no JSON text begins with such a byte."""
    return entry.body[:1] >= b"\x80"


@dataclass(frozen=True, slots=True)
class Batching:
    """Readings that go out as one message.

    Attributes:
        count: readings of a message at most; 1 sends each by itself.
        seconds: how long a reading waits for others; what has waited before the connection does not wait again.
        bytes: of a message at most.
    """

    count: int = 1
    seconds: float = 0.0
    bytes: int = 64 * 1024

    def __post_init__(self) -> None:
        if self.count < 1 or self.seconds < 0 or not 0 < self.bytes <= MAX_PAYLOAD_BYTES:
            raise InvalidInput("batching", f"needs a count of 1 or more, no negative seconds, and 1 to {MAX_PAYLOAD_BYTES} bytes")
