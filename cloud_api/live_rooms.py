"""Rooms of live telemetry: what is sent when (pure).

A quiet room is sent at once; a busy one at most every TICK_S, with what has gathered meanwhile. A room of one device gets every
reading; a room of many gets the newest value per device and measurement, MAX_LATEST a tick, those first that wait longest.
"""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from cloud_api.tenancy import EVERY_ORGANIZATION

TICK_S = 0.25
MAX_LATEST = 200
MAX_GATHERED = 5_000
MAX_KEYS = 50_000
Point = tuple[str, float, str, float, bool]
EVERYONE = EVERY_ORGANIZATION


class Gathering(Protocol):
    """What a room has gathered since it was last sent; bounded, ``overflow`` counts what found no place."""

    overflow: int

    def add(self, points: Iterable[Point]) -> None:
        """Gather readings."""

    def take(self) -> tuple[Sequence[Point], bool]:
        """What is to be sent now, and whether something had to be left out."""

    def __len__(self) -> int:
        """How many readings wait."""


class EveryPoint:
    """All readings in order; beyond MAX_GATHERED the newest are left out until the next tick."""

    def __init__(self, limit: int = MAX_GATHERED) -> None:
        self.overflow = 0
        self._limit, self._points, self._truncated = limit, list[Point](), False

    def add(self, points: Iterable[Point]) -> None:
        """Gather readings."""
        self._points.extend(points)
        if (beyond := len(self._points) - self._limit) > 0:
            del self._points[self._limit :]
            self.overflow += beyond
            self._truncated = True

    def take(self) -> tuple[Sequence[Point], bool]:
        """Everything."""
        points, truncated = self._points, self._truncated
        self._points, self._truncated = [], False
        return points, truncated

    def __len__(self) -> int:
        return len(self._points)


class LatestValues:
    """The newest reading per device and measurement. What does not fit into a tick keeps its place in the queue."""

    def __init__(self, per_tick: int = MAX_LATEST, max_keys: int = MAX_KEYS) -> None:
        self.overflow = 0
        self._per_tick, self._max_keys = per_tick, max_keys
        self._newest: OrderedDict[tuple[str, str], Point] = OrderedDict()

    def add(self, points: Iterable[Point]) -> None:
        """Gather readings; an older one never replaces a newer one."""
        newest = self._newest
        for point in points:
            key = (point[0], point[2])
            before = newest.get(key)
            if before is None and len(newest) >= self._max_keys:
                self.overflow += 1
            elif before is None or before[1] <= point[1]:
                newest[key] = point

    def take(self) -> tuple[Sequence[Point], bool]:
        """Those that wait longest."""
        count = min(self._per_tick, len(self._newest))
        taken = [self._newest.popitem(last=False)[1] for _ in range(count)]
        return taken, bool(self._newest)

    def __len__(self) -> int:
        return len(self._newest)


@dataclass(slots=True)
class Channel:
    """One stream of telemetry messages.

    Attributes:
        room: the name that clients know it by.
        audience: the inner rooms that it goes to.
        seq: number of the last message; a gap tells a client that it was too slow.
        sent_at: when the last message went out, seconds, monotonic.
    """

    room: str
    audience: tuple[str, ...]
    gathering: Gathering
    seq: int = 0
    sent_at: float = float("-inf")

    def due_in(self, now: float) -> float:
        """Seconds until the next message may go out."""
        return max(0.0, self.sent_at + TICK_S - now)

    def take(self, now: float, wall_ms: int) -> dict[str, Any]:
        """The next message."""
        points, truncated = self.gathering.take()
        self.sent_at = now
        self.seq += 1
        return {
            "room": self.room,
            "seq": self.seq,
            "sent_at": wall_ms,
            "simulated": all_simulated(points),
            "points": points,
            "truncated": truncated,
        }

    def take_overflow(self) -> int:
        """How many readings found no place since the last call."""
        overflow, self.gathering.overflow = self.gathering.overflow, 0
        return overflow


def all_simulated(points: Sequence[Point]) -> bool | None:
    """True when all are, False when none is, None for a mixture."""
    kinds = {p[4] for p in points}
    return None if len(kinds) == 2 else True in kinds


def inner(room: str, scope: str) -> str:
    """The inner room for members of one scope: an organization's users and those of all organizations never share one.

    So a device that changes hands falls silent for its former owner without anybody being thrown out.
    """
    return f"{room}@{scope}"


def channel_names(device: str, device_type: str, organization: str) -> tuple[tuple[str, str, tuple[str, ...]], ...]:
    """(key, room, audience) of each channel that a reading of the device belongs to; the first is the device's own."""
    device_room, type_room, org_room = f"device:{device}", f"type:{device_type}", f"org:{organization}"
    return (
        (inner(device_room, organization), device_room, _both(device_room, organization)),
        (inner(type_room, organization), type_room, (inner(type_room, organization),)),
        (inner(type_room, EVERYONE), type_room, (inner(type_room, EVERYONE),)),
        (inner(org_room, organization), org_room, _both(org_room, organization)),
        (inner("org:*", EVERYONE), "org:*", (inner("org:*", EVERYONE),)),
    )


def _both(room: str, organization: str) -> tuple[str, ...]:
    return inner(room, organization), inner(room, EVERYONE)


def event_audience(device: str, device_type: str, organization: str) -> list[str]:
    """The inner rooms that an event of the device goes to; a client in several of them gets it once."""
    return [name for _, _, audience in channel_names(device, device_type, organization) for name in audience]


class PointRates:
    """Readings per organization over the last 60 seconds."""

    def __init__(self, seconds: int = 60) -> None:
        self._seconds = seconds
        self._counts: OrderedDict[int, dict[str, int]] = OrderedDict()

    def add(self, organization: str, points: int, now: float) -> None:
        """Count readings."""
        counts = self._counts.setdefault(int(now), {})
        counts[organization] = counts.get(organization, 0) + points
        counts[EVERYONE] = counts.get(EVERYONE, 0) + points
        while len(self._counts) > self._seconds + 1:
            self._counts.popitem(last=False)

    def last_minute(self, organization: str, now: float) -> int:
        """Readings of one organization, or of EVERYONE."""
        oldest = int(now) - self._seconds
        return sum(counts.get(organization, 0) for second, counts in self._counts.items() if second > oldest)
