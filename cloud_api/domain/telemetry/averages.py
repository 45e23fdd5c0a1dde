"""Means over many devices. Simulated ones are left out unless asked for, and the answer says how many."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cloud_api.auth import Principal
from cloud_api.domain.devices import table
from cloud_api.domain.devices.service import known_type
from cloud_api.domain.devices.table import Ownership
from cloud_api.domain.telemetry.marks import marks_of
from cloud_api.domain.telemetry.schemas import AverageColumns, AverageView, Count
from cloud_api.domain.telemetry.window import Window, ms
from cloud_api.tenancy import Tenancy
from ingest.batch import POSTGRES_EPOCH_US
from ingest.history import History
from ingest.resolution import name_of
from ingest.rollups import STEPS, Buckets, step_for
from iotsphere.devices._spec import DeviceType, Measurement


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to average over; None means any."""

    measurement: str
    device_type: str | None
    organization: str | None
    include_simulated: bool


@dataclass(slots=True)
class Bucket:
    """Readings of many devices put together."""

    count: int = 0
    sum: float = 0.0
    low: float = math.inf
    high: float = -math.inf


class Averages:
    """Answers /telemetry/average."""

    def __init__(self, tenancy: Tenancy, history: History, types: Mapping[str, DeviceType]) -> None:
        self._tenancy, self._history, self._types = tenancy, history, types

    async def average(
        self, principal: Principal, wanted: Wanted, over: Window, step: timedelta | None, max_points: int
    ) -> AverageView:
        """The mean over the devices that the user sees, retired ones too: over all readings, and bucket by bucket.

        Args:
            step: width of a bucket, one of ingest.rollups.STEPS; None: what fits ``max_points``.

        Raises:
            InvalidInput: there is no such type, or the buckets would be too many.
        """
        over.check_buckets(step)
        known_type(self._types, wanted.device_type, "type")
        async with self._tenancy.transaction(principal.scope) as connection:
            owned = await table.ownerships(connection, wanted.device_type, wanted.organization)
        step = step or step_for(over.start, over.end, max_points)
        included = [o for o in owned if wanted.include_simulated or not o.simulated]
        left_out = [o for o in owned if o.simulated and not wanted.include_simulated]
        buckets = combined(await self._buckets(included, wanted.measurement, over, step))
        others = combined(await self._buckets(left_out, wanted.measurement, over, STEPS[-1]))
        readings = sum(b.count for b in buckets.values())
        shown = columns(buckets)
        return AverageView(
            measurement=wanted.measurement,
            unit=self._unit(wanted),
            from_=ms(over.start),
            to=ms(over.end),
            average=sum(b.sum for b in buckets.values()) / readings if readings else None,
            included=Count(len(included), readings),
            left_out=Count(len(left_out), sum(b.count for b in others.values())),
            simulated=any(o.simulated for o in included),
            resolution=name_of(step),
            step_s=step.total_seconds(),
            columns=shown,
            quality=marks_of(self._declared(wanted), shown.min, shown.max),
        )

    async def _buckets(self, owned: Sequence[Ownership], measurement: str, over: Window, step: timedelta) -> list[Buckets]:
        """Devices that changed hands within the window have one of their own, so they are asked for apart."""
        by_start: dict[datetime, list[str]] = defaultdict(list)
        for one in owned:
            clipped = over.clipped(one.owned_from)
            if not clipped.empty:
                by_start[clipped.start].append(one.device)
        return [await self._history.together(ids, measurement, start, over.end, step) for start, ids in by_start.items()]

    def _unit(self, wanted: Wanted) -> str:
        """Known when all types in question that declare the measurement agree on it."""
        units = {m.unit for m in self._declared(wanted)}
        return units.pop() if len(units) == 1 else ""

    def _declared(self, wanted: Wanted) -> list[Measurement]:
        """As each type in question declares it."""
        candidates = [t for key, t in self._types.items() if wanted.device_type in (None, key)]
        return [m for t in candidates if (m := t.measurement(wanted.measurement)) is not None]


def combined(parts: Iterable[Buckets]) -> dict[int, Bucket]:
    """Buckets of several groups of devices as one, by where they begin (µs since 2000), in the order of time."""
    found: dict[int, Bucket] = defaultdict(Bucket)
    for part in parts:
        for moment, count, total, low, high in zip(part.moments, part.counts, part.sums, part.lows, part.highs, strict=True):
            bucket = found[moment]
            bucket.count += count
            bucket.sum += total
            bucket.low, bucket.high = min(bucket.low, low), max(bucket.high, high)
    return dict(sorted(found.items()))


def columns(buckets: Mapping[int, Bucket]) -> AverageColumns:
    """The same in columns."""
    return AverageColumns(
        ts=[(moment + POSTGRES_EPOCH_US) / 1000 for moment in buckets],
        average=[b.sum / b.count for b in buckets.values()],
        min=[b.low for b in buckets.values()],
        max=[b.high for b in buckets.values()],
        count=[b.count for b in buckets.values()],
    )
