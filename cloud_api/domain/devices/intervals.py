"""How often devices report: as their type declares, else as their newest readings have shown."""

import time
from collections.abc import Callable, Mapping, Sequence

from cloud_api.domain.devices.freshness import declared_interval_s
from ingest.history import History
from iotsphere.devices._spec import DeviceType

KEPT_S = 60.0
KEPT = 20_000
"""Devices whose interval is remembered; policy when full: forget all and look again."""


class Intervals:
    """Reporting intervals in seconds. What is not declared is read from the stored readings, and remembered for a minute."""

    def __init__(self, history: History, types: Mapping[str, DeviceType], clock: Callable[[], float] = time.monotonic) -> None:
        self._history, self._types, self._clock = history, types, clock
        self._shown: dict[str, tuple[float, float | None]] = {}

    async def of(self, devices: Sequence[tuple[str, str]]) -> dict[str, float | None]:
        """By device, from id and type of each; None when a device has not reported often enough to tell.

        Raises:
            StoreUnavailable: PostgreSQL is needed and away.
        """
        declared = {kind: declared_interval_s(self._types, kind) for _, kind in devices}
        shown = await self._from_readings([device for device, kind in devices if declared[kind] is None])
        return {device: shown[device] if device in shown else declared[kind] for device, kind in devices}

    async def _from_readings(self, devices: Sequence[str]) -> Mapping[str, float | None]:
        now = self._clock()
        unknown = [device for device in devices if now - self._shown.get(device, (-KEPT_S, None))[0] >= KEPT_S]
        if unknown:
            found = await self._history.median_gaps_s(unknown)
            if len(self._shown) + len(unknown) > KEPT:
                self._shown = {device: self._shown[device] for device in devices if device in self._shown}
            self._shown.update({device: (now, found.get(device)) for device in unknown})
        return {device: self._shown[device][1] for device in devices}
