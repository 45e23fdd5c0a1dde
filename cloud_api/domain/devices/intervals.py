"""How often devices report: as their type declares, else as their newest readings have shown."""

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from cloud_api.domain.devices.freshness import declared_interval_s
from ingest.history import History
from iotsphere.devices._spec import DeviceType

KEPT_S = 60.0
KEPT = 20_000
"""Devices whose interval is remembered; policy when full: forget all and look again."""


_Key = tuple[str, datetime | None]
Reporter = tuple[str, str, datetime | None]
"""A device, its type, and since when it is its present owner's (None: from the beginning)."""


class Intervals:
    """Reporting intervals in seconds. What is not declared is read from the readings of the present owner's time, and remembered
    for a minute."""

    def __init__(self, history: History, types: Mapping[str, DeviceType], clock: Callable[[], float] = time.monotonic) -> None:
        self._history, self._types, self._clock = history, types, clock
        self._shown: dict[_Key, tuple[float, float | None]] = {}

    async def of(self, devices: Sequence[Reporter]) -> dict[str, float | None]:
        """By device; None when one has not reported often enough to tell.

        Raises:
            StoreUnavailable: PostgreSQL is needed and away.
        """
        declared = {kind: declared_interval_s(self._types, kind) for _, kind, _ in devices}
        shown = await self._from_readings([(device, since) for device, kind, since in devices if declared[kind] is None])
        return {device: shown[device] if device in shown else declared[kind] for device, kind, _ in devices}

    async def _from_readings(self, devices: Sequence[_Key]) -> Mapping[str, float | None]:
        now = self._clock()
        unknown = [key for key in devices if now - self._shown.get(key, (-KEPT_S, None))[0] >= KEPT_S]
        if unknown:
            found = await self._history.median_gaps_s(dict(unknown))
            if len(self._shown) + len(unknown) > KEPT:
                self._shown = {key: self._shown[key] for key in devices if key in self._shown}
            self._shown.update({key: (now, found.get(key[0])) for key in unknown})
        return {key[0]: self._shown[key][1] for key in devices}
