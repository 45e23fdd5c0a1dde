"""Telemetry as a user sees it: reached through a device that he may see, clipped to its present owner's time."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from cloud_api.auth import Principal
from cloud_api.domain.devices.service import Devices, own_source
from cloud_api.domain.devices.table import Addressee, Ownership
from cloud_api.domain.telemetry.marks import marks
from cloud_api.domain.telemetry.schemas import DeviceHistory, HistoriesView, HistoryView, LatestReadings, NewestValue
from cloud_api.domain.telemetry.scope import Scope, Scopes
from cloud_api.domain.telemetry.window import Window, ms
from ingest.charts import Chart, Charts, Question, check_cells, most_points
from ingest.resolution import RAW, name_of
from ingest.rollups import step_for
from iotsphere.devices._spec import DeviceType, Measurement
from iotsphere.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Wish:
    """How a history is wanted; see ingest.charts.Question."""

    measurements: Sequence[str] | None
    max_points: int
    step: timedelta | None
    aggregates: Sequence[str]

    def over(self, part: Window, raw_since: datetime, first: Sequence[str] = ()) -> Question:
        """The question of a stretch.

        Raises:
            InvalidInput: the buckets would be too many.
        """
        part.check_buckets(self.step)
        return Question(
            start=part.start, end=part.end, measurements=self.measurements, max_points=self.max_points, step=self.step,
            aggregates=self.aggregates, first=first, raw_since=raw_since,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Answer:
    """A history, and where its readings come from."""

    view: HistoryView | HistoriesView
    sources: Sequence[str]


class Telemetry:
    """Reads histories and newest values.

    Args:
        retention: how long raw readings are kept.
    """

    def __init__(
        self, devices: Devices, scopes: Scopes, charts: Charts, types: Mapping[str, DeviceType], retention: timedelta
    ) -> None:
        self._devices, self._scopes, self._charts, self._types = devices, scopes, charts, types
        self._retention = retention

    async def history(self, principal: Principal, device: str, wanted: Window, wish: Wish, now: datetime) -> Answer:
        """Readings of a stretch of time.

        Raises:
            NotFound: there is no such device, or none that the user may see.
            InvalidInput: a measurement is neither declared nor was it ever heard, or there would be too many buckets.
        """
        row = await self._devices.addressee(principal, device)
        await self._check(row, wish.measurements or ())
        part = wanted.clipped(row.owned_from)
        question = replace(wish.over(part, now - self._retention, self._declared(row.device_type)), organization=row.organization)
        check_cells(1, question)
        chart = empty(question, 1) if part.empty else await self._charts.one(device, question)
        shown = self._shown(row.id, row.device_type, chart, simulated=row.simulated)
        view = HistoryView(
            device=shown.device, simulated=shown.simulated, unit=shown.unit, title=shown.title, columns=shown.columns,
            aggregates=shown.aggregates, downsampled=shown.downsampled, quality=shown.quality,
            from_=ms(wanted.start), to=ms(wanted.end), resolution=name_of(chart.step), step_s=chart.step.total_seconds() or None,
        )  # fmt: skip
        return Answer(view, _sources(chart, row.simulated))

    async def histories(self, principal: Principal, scope: Scope, wanted: Window, wish: Wish, now: datetime) -> Answer:
        """The same of many devices, always in buckets, in one statement for all that had one owner all the time.

        Raises:
            NotFound: one that is named does not exist, or the user may not see it.
            InvalidInput: there are too many of them, or raw readings or too many buckets are asked for.
        """
        if wish.step == RAW:
            raise InvalidInput("resolution", "raw readings of many devices come as a file: send Accept: text/csv")
        seen = await self._scopes.devices(principal, scope)
        asked = wish.over(wanted, now - self._retention)
        check_cells(len(seen), asked)
        step = asked.step or step_for(wanted.start, wanted.end, most_points(len(seen), asked))
        charts = await self._each(seen, wanted, replace(asked, step=step))
        view = HistoriesView(
            from_=ms(wanted.start), to=ms(wanted.end), resolution=name_of(step), step_s=step.total_seconds(),
            devices=[self._shown(o.device, o.device_type, charts[o.device], simulated=o.simulated) for o in seen],
        )  # fmt: skip
        return Answer(view, sorted({s for o in seen for s in _sources(charts[o.device], o.simulated)}))

    async def _each(self, seen: Sequence[Ownership], wanted: Window, asked: Question) -> Mapping[str, Chart]:
        """Devices that changed hands within the window begin later, so they are asked for apart."""
        by_start: dict[datetime, list[str]] = defaultdict(list)
        charts = {one.device: empty(asked, len(seen)) for one in seen}
        for one in seen:
            part = wanted.clipped(one.owned_from)
            if not part.empty:
                by_start[part.start].append(one.device)
        for start, devices in by_start.items():
            charts.update(await self._charts.many(devices, replace(asked, start=start)))
        return charts

    async def check(self, principal: Principal, device: str, measurements: Sequence[str] | None) -> None:
        """Check what a request names: a misspelt measurement would be an empty answer, and nobody would see why.

        Raises:
            NotFound: there is no such device, or none that the user may see.
            InvalidInput: a measurement is neither declared nor was it ever heard.
        """
        await self._check(await self._devices.addressee(principal, device), measurements or ())

    async def _check(self, row: Addressee, measurements: Sequence[str]) -> None:
        declared = self._declared(row.device_type)
        unknown = set(measurements).difference(declared)
        if unknown:
            unknown -= (await self._devices.latest([row]))[row.id].keys()
        if unknown:
            unknown -= await self._charts.rolled_up(row.id, list(unknown))
        if unknown:
            known = f"its type declares {', '.join(declared)}" if declared else "its type declares none"
            raise InvalidInput("measurements", f"{row.id} has no {', '.join(sorted(unknown))}; {known}")

    def _declared(self, device_type: str) -> list[str]:
        declared = self._types.get(device_type)
        return [m.key for m in declared.measurements] if declared else []

    def _shown(self, device: str, device_type: str, chart: Chart, *, simulated: bool) -> DeviceHistory:
        return DeviceHistory(
            device=device,
            simulated=simulated,
            unit=self._units(device_type, chart.values),
            title=self._titles(device_type, chart.values),
            columns={**chart.values, "ts": chart.ts},
            aggregates={kind: dict(columns) for kind, columns in chart.aggregates.items()},
            downsampled=chart.downsampled,
            quality=marks(self._types.get(device_type), chart.lows, chart.highs),
        )

    async def latest(self, principal: Principal, device: str) -> LatestReadings:
        """The newest readings.

        Raises:
            NotFound: there is no such device, or none that the user may see.
        """
        row = await self._devices.addressee(principal, device)
        found, own = (await self._devices.latest([row]))[device], own_source(simulated=row.simulated)
        newest = {k: NewestValue(value=v.value, ts=v.ts, source=v.source or own, quality=v.quality) for k, v in found.items()}
        return LatestReadings(device=row.id, simulated=row.simulated, unit=self._units(row.device_type, newest), latest=newest)

    def _units(self, device_type: str, measurements: Iterable[str]) -> dict[str, str]:
        return {m.key: m.unit for m in self._among(device_type, measurements)}

    def _titles(self, device_type: str, measurements: Iterable[str]) -> dict[str, str]:
        return {m.key: m.title for m in self._among(device_type, measurements)}

    def _among(self, device_type: str, measurements: Iterable[str]) -> list[Measurement]:
        declared, wanted = self._types.get(device_type), set(measurements)
        return [m for m in (declared.measurements if declared else ()) if m.key in wanted]


def empty(asked: Question, devices: int) -> Chart:
    """The chart of a stretch in which the device was somebody else's."""
    step = step_for(asked.start, asked.end, most_points(devices, asked)) if asked.step is None else asked.step
    return Chart(step=step, ts=[], values={}, lows={}, highs={}, aggregates={}, sources=(), downsampled=False)


def _sources(chart: Chart, simulated: bool) -> Sequence[str]:
    """What the readings say; raw ones are not looked at one by one, and say what their device is."""
    own = own_source(simulated=simulated)
    return [own if source == "device" else source for source in chart.sources] or [own]
