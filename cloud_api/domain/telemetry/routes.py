"""/telemetry."""

from collections.abc import Sequence
from typing import Annotated, Any

from litestar import Request, Response, Router, get
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, QueryParameter
from litestar.response import Stream

from cloud_api.auth import Principal
from cloud_api.domain.telemetry.averages import Averages, Wanted
from cloud_api.domain.telemetry.exports import FORMS, Exports, Lines
from cloud_api.domain.telemetry.schemas import AverageView, HistoryView, LatestReadings, ReadingPage
from cloud_api.domain.telemetry.scope import Scope
from cloud_api.domain.telemetry.service import Telemetry
from cloud_api.domain.telemetry.window import window
from cloud_api.parts import CloudParts
from cloud_api.responses import marked, problems, sources
from iotsphere.errors import InvalidInput

Call = Request[Principal, None, Any]
MAX_POINTS = 20_000
MAX_MEASUREMENTS = 100
MAX_READINGS = 10_000
Names = Annotated[str | None, QueryParameter(description="measurements with commas between; all if absent")]
From = Annotated[
    str | None, QueryParameter(name="from", description="RFC 3339 or ms since the Unix epoch; an hour before the end if absent")
]
To = Annotated[str | None, QueryParameter(description="RFC 3339 or ms since the Unix epoch, exclusive; now if absent")]


@get("/telemetry/{device:str}", responses=problems(404, 422), summary="History of a device")
async def history(
    request: Call,
    device: FromPath[str],
    telemetry: NamedDependency[Telemetry],
    exports: NamedDependency[Exports],
    parts: NamedDependency[CloudParts],
    from_: From = None,
    to: To = None,
    measurements: Names = None,
    max_points: Annotated[int, QueryParameter(ge=1, le=MAX_POINTS)] = 1000,
) -> Response[HistoryView] | Stream:
    """In columns, thinned to at most max_points per measurement.

    With `Accept: text/csv` or `application/x-ndjson` all raw readings as a stream of lines, however many there are. A transfer
    that breaks off has no end: HTTP clients call that an error.
    """
    wanted = window(from_, to, parts.clock())
    if media_type := file_type(request):
        return file(await exports.lines(request.user, Scope([device]), wanted, names(measurements), media_type))
    view = await telemetry.history(request.user, device, wanted, names(measurements), max_points)
    return marked(view, [view.simulated])


@get("/telemetry/{device:str}/readings", responses=problems(404, 422), summary="Raw readings of a device")
async def readings(
    request: Call,
    device: FromPath[str],
    exports: NamedDependency[Exports],
    parts: NamedDependency[CloudParts],
    from_: From = None,
    to: To = None,
    measurements: Names = None,
    cursor: FromQuery[str] = "",
    limit: Annotated[int, QueryParameter(ge=1, le=MAX_READINGS)] = 1000,
) -> Response[ReadingPage]:
    """One by one in the order of time, a page at a time, with their provenance and quality."""
    wanted = window(from_, to, parts.clock())
    page = await exports.readings(request.user, device, wanted, names(measurements), cursor, limit)
    return Response(page, headers=sources(page.source or (["simulation"] if page.simulated else [])))


@get("/telemetry/{device:str}/latest", responses=problems(404), summary="Newest readings of a device")
async def latest(request: Call, device: FromPath[str], telemetry: NamedDependency[Telemetry]) -> Response[LatestReadings]:
    """The newest reading by event time of every measurement."""
    view = await telemetry.latest(request.user, device)
    return marked(view, [view.simulated])


@get("/telemetry/average", responses=problems(422), summary="Mean over many devices")
async def average(
    request: Call,
    averages: NamedDependency[Averages],
    parts: NamedDependency[CloudParts],
    measurement: Annotated[str, QueryParameter(min_length=1, max_length=64)],
    device_type: Annotated[str | None, QueryParameter(name="type")] = None,
    organization: FromQuery[str | None] = None,
    from_: From = None,
    to: To = None,
    include_simulated: FromQuery[bool] = False,
) -> Response[AverageView]:
    """Over all readings of the devices that you may see. Simulated devices are left out unless asked for."""
    wanted = Wanted(measurement, device_type, organization, include_simulated)
    view = await averages.average(request.user, wanted, window(from_, to, parts.clock()))
    return marked(view, [view.simulated])


def file_type(request: Call) -> str | None:
    """The media type of a file, when one is preferred to JSON."""
    best = request.accept.best_match(["application/json", *FORMS])
    return best if best in FORMS else None


def file(lines: Lines) -> Stream:
    """The answer that a browser saves and a program reads line by line."""
    headers = {
        "Content-Disposition": f'attachment; filename="{lines.name}"',
        **sources("simulation" if simulated else "device" for simulated in lines.simulated),
    }
    return Stream(lines.text, media_type=lines.media_type, headers=headers)


def names(text: str | None) -> Sequence[str] | None:
    """The measurements of a query.

    Raises:
        InvalidInput: there are too many.
    """
    found = [name for name in (text or "").split(",") if name]
    if len(found) > MAX_MEASUREMENTS:
        raise InvalidInput("measurements", f"must be at most {MAX_MEASUREMENTS}")
    return found or None


router = Router("/", route_handlers=[history, readings, latest, average], tags=["telemetry"])
