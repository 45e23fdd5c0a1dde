"""Counts over the fleet, kept for two seconds so that many open dashboards cost one query."""

import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Generic, Protocol, TypeVar

from cloud_api.auth import Principal
from cloud_api.domain.devices import table
from cloud_api.domain.devices.gaps import Gaps
from cloud_api.domain.devices.intervals import Reporter
from cloud_api.domain.devices.schemas import FleetNumbers, FleetSummary
from cloud_api.domain.devices.service import Devices
from cloud_api.tenancy import Tenancy

KEEP_S = 2.0
KEEP_NUMBERS_S = 10.0  # they are sums over many rows, and seconds old anyhow
MAX_KEPT = 1_000
CHUNK = 500
T = TypeVar("T")


class PointCounter(Protocol):
    """Who sees the telemetry go by."""

    def points_last_minute(self, organization: str) -> int:
        """Readings stored in the last 60 s, of one organization or of EVERY_ORGANIZATION."""


class Memo(Generic[T]):
    """Values that are kept for some seconds, by scope and organization. Policy when MAX_KEPT are kept: forget all."""

    def __init__(self, keep_s: float, clock: Callable[[], float]) -> None:
        self._keep_s, self._clock = keep_s, clock
        self._kept: dict[tuple[str, str | None], tuple[float, T]] = {}

    async def get(self, key: tuple[str, str | None], make: Callable[[], Awaitable[T]]) -> T:
        """The value, made anew when it is too old."""
        kept = self._kept.get(key)
        if kept is not None and 0 <= self._clock() - kept[0] < self._keep_s:
            return kept[1]
        value = await make()
        if len(self._kept) >= MAX_KEPT:
            self._kept.clear()
        self._kept[key] = (self._clock(), value)
        return value


class Fleet:
    """Answers /fleet/summary."""

    def __init__(
        self,
        tenancy: Tenancy,
        devices: Devices,
        gaps: Gaps,
        points: PointCounter,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._tenancy, self._devices, self._points = tenancy, devices, points
        self._gaps = gaps
        self._summaries: Memo[FleetSummary] = Memo(KEEP_S, clock)
        self._numbers: Memo[FleetNumbers] = Memo(KEEP_NUMBERS_S, clock)

    async def summary(self, principal: Principal, organization: str | None) -> FleetSummary:
        """Counts over what the user sees, or one organization of it (zeros for one that he does not see)."""
        return await self._summaries.get((principal.scope, organization), lambda: self._count(principal, organization))

    async def _count(self, principal: Principal, organization: str | None) -> FleetSummary:
        async with self._tenancy.transaction(principal.scope) as connection:
            rows = await table.fleet(connection, organization)
        online = [(one.device, one.device_type, one.owned_from) for one, connected in rows if connected]
        seen = organization is None or principal.sees(organization)
        return FleetSummary(
            total=len(rows),
            connected=len(online),
            stale=await self._stale(online),
            offline=len(rows) - len(online),
            simulated=sum(one.simulated for one, _ in rows),
            by_type=dict(Counter(one.device_type for one, _ in rows)),
            points_last_minute=self._points.points_last_minute(organization or principal.scope) if seen else 0,
            numbers=await self._numbers.get((principal.scope, organization), lambda: self._gaps.totals(principal, organization)),
        )

    async def _stale(self, online: list[Reporter]) -> int:
        return sum([await self._devices.stale(online[start : start + CHUNK]) for start in range(0, len(online), CHUNK)])
