"""Telemetry as a user sees it: reached through a device that he may see, clipped to its present owner's time."""

from collections.abc import Mapping, Sequence

from cloud_api.auth import Principal
from cloud_api.domain.devices.service import Devices
from cloud_api.domain.devices.table import DeviceRow
from cloud_api.domain.telemetry.schemas import HistoryView, LatestReadings, NewestValue
from cloud_api.domain.telemetry.window import Window, ms
from ingest.history import History, Series
from iotsphere.devices._spec import DeviceType
from iotsphere.errors import InvalidInput


class Telemetry:
    """Reads of one device."""

    def __init__(self, devices: Devices, history: History, types: Mapping[str, DeviceType]) -> None:
        self._devices, self._history, self._types = devices, history, types

    async def history(
        self, principal: Principal, device: str, wanted: Window, measurements: Sequence[str] | None, max_points: int
    ) -> HistoryView:
        """Readings of a stretch of time.

        Raises:
            NotFound: there is no such device, or none that the user may see.
            InvalidInput: a measurement is neither declared nor was it ever heard.
        """
        row = await self._devices.visible(principal, device)
        await self._check(row, measurements or ())
        clipped = wanted.clipped(row.owned_from)
        series = Series([], {}, downsampled=False)
        if not clipped.empty:
            series = await self._history.history(
                device, clipped.start, clipped.end, measurements, max_points, first=self._declared(row.device_type)
            )
        return self._view(row, wanted, series)

    async def _check(self, row: DeviceRow, measurements: Sequence[str]) -> None:
        declared = self._declared(row.device_type)
        unknown = set(measurements).difference(declared)
        if unknown and (unknown := unknown.difference((await self._devices.latest([row]))[row.id])):
            known = f"its type declares {', '.join(declared)}" if declared else "its type declares none"
            raise InvalidInput("measurements", f"{row.id} has no {', '.join(sorted(unknown))}; {known}")

    def _declared(self, device_type: str) -> list[str]:
        declared = self._types.get(device_type)
        return [m.key for m in declared.measurements] if declared else []

    def _view(self, row: DeviceRow, wanted: Window, series: Series) -> HistoryView:
        return HistoryView(
            device=row.id,
            simulated=row.simulated,
            from_=ms(wanted.start),
            to=ms(wanted.end),
            unit=self._units(row.device_type, series.values),
            columns={**series.values, "ts": series.ts},
            downsampled=series.downsampled,
        )

    async def latest(self, principal: Principal, device: str) -> LatestReadings:
        """The newest readings.

        Raises:
            NotFound: there is no such device, or none that the user may see.
        """
        row = await self._devices.visible(principal, device)
        found = (await self._devices.latest([row]))[device]
        newest = {k: NewestValue(value=v.value, ts=v.ts, source=v.source, quality=v.quality) for k, v in found.items()}
        return LatestReadings(device=row.id, simulated=row.simulated, unit=self._units(row.device_type, newest), latest=newest)

    def _units(self, device_type: str, measurements: Mapping[str, object]) -> dict[str, str]:
        declared = self._types.get(device_type)
        known = declared.measurements if declared else ()
        return {m.key: m.unit for m in known if m.key in measurements}
