"""Means over many devices. Simulated ones are left out unless asked for, and the answer says how many."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from cloud_api.auth import Principal
from cloud_api.domain.devices import table
from cloud_api.domain.devices.service import known_type
from cloud_api.domain.devices.table import Ownership
from cloud_api.domain.telemetry.schemas import AverageView, Count
from cloud_api.domain.telemetry.window import Window, ms
from cloud_api.tenancy import Tenancy
from ingest.history import History
from iotsphere.devices._spec import DeviceType


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to average over; None means any."""

    measurement: str
    device_type: str | None
    organization: str | None
    include_simulated: bool


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean and how many readings it is made of."""

    value: float | None = None
    readings: int = 0


class Averages:
    """Answers /telemetry/average."""

    def __init__(self, tenancy: Tenancy, history: History, types: Mapping[str, DeviceType]) -> None:
        self._tenancy, self._history, self._types = tenancy, history, types

    async def average(self, principal: Principal, wanted: Wanted, over: Window) -> AverageView:
        """The mean over the devices that the user sees, retired ones too.

        Raises:
            InvalidInput: there is no such type.
        """
        known_type(self._types, wanted.device_type, "type")
        async with self._tenancy.transaction(principal.scope) as connection:
            owned = await table.ownerships(connection, wanted.device_type, wanted.organization)
        included = [o for o in owned if wanted.include_simulated or not o.simulated]
        left_out = [o for o in owned if o.simulated and not wanted.include_simulated]
        mean = await self._mean(included, wanted.measurement, over)
        return AverageView(
            measurement=wanted.measurement,
            unit=self._unit(wanted),
            from_=ms(over.start),
            to=ms(over.end),
            average=mean.value,
            included=Count(len(included), mean.readings),
            left_out=Count(len(left_out), (await self._mean(left_out, wanted.measurement, over)).readings),
            simulated=any(o.simulated for o in included),
        )

    async def _mean(self, owned: Sequence[Ownership], measurement: str, over: Window) -> Mean:
        """Devices that changed hands within the window have one of their own, so they are asked for apart."""
        by_start: dict[datetime, list[str]] = defaultdict(list)
        for one in owned:
            clipped = over.clipped(one.owned_from)
            if not clipped.empty:
                by_start[clipped.start].append(one.device)
        parts = [Mean(*await self._history.average(ids, measurement, start, over.end)) for start, ids in by_start.items()]
        return combined(parts)

    def _unit(self, wanted: Wanted) -> str:
        """Known when all types in question that declare the measurement agree on it."""
        candidates = [t for key, t in self._types.items() if wanted.device_type in (None, key)]
        units = {m.unit for t in candidates if (m := t.measurement(wanted.measurement)) is not None}
        return units.pop() if len(units) == 1 else ""


def combined(parts: Sequence[Mean]) -> Mean:
    """The mean of means, weighted by their readings."""
    readings = sum(p.readings for p in parts)
    if not readings:
        return Mean()
    return Mean(sum(p.value * p.readings for p in parts if p.value is not None) / readings, readings)
