"""/telemetry."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

from litestar import Request, Response, Router, get
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, QueryParameter
from litestar.response import Stream

from cloud_api.auth import Principal
from cloud_api.domain.telemetry.averages import Averages, Wanted
from cloud_api.domain.telemetry.exports import FORMS, Exports, Lines
from cloud_api.domain.telemetry.schemas import AverageView, HistoriesView, HistoryView, LatestReadings, ReadingPage
from cloud_api.domain.telemetry.scope import Scope
from cloud_api.domain.telemetry.service import Answer, Telemetry, Wish
from cloud_api.domain.telemetry.window import window
from cloud_api.media import JSON, OFFERS, preferred
from cloud_api.parts import CloudParts
from cloud_api.responses import marked, problems, sources
from ingest.resolution import AGGREGATES, RAW, RESOLUTIONS, name_of
from iotsphere.errors import InvalidInput

Call = Request[Principal, None, Any]
MAX_POINTS = 20_000
MAX_MEASUREMENTS = 100
MAX_READINGS = 10_000
AUTO = "auto"
MaxPoints = Annotated[
    int,
    QueryParameter(ge=1, le=MAX_POINTS, description="at most so many points of each measurement: what is more comes in buckets"),
]
Resolution = Annotated[str, QueryParameter(description="auto (by max_points), raw, or the width of a bucket: 1m … 1h … 1d, 7d")]
Aggregates = Annotated[
    str | None, QueryParameter(description="of each bucket, with commas between: min, max, avg, count, sum, first, last")
]
Names = Annotated[str | None, QueryParameter(description="measurements with commas between; all if absent")]
From = Annotated[
    str | None, QueryParameter(name="from", description="RFC 3339 or ms since the Unix epoch; an hour before the end if absent")
]
To = Annotated[str | None, QueryParameter(description="RFC 3339 or ms since the Unix epoch, exclusive; now if absent")]


@get("/telemetry/{device:str}", opt={OFFERS: tuple(FORMS)}, responses=problems(404, 422), summary="History of a device")
async def history(
    request: Call,
    device: FromPath[str],
    telemetry: NamedDependency[Telemetry],
    exports: NamedDependency[Exports],
    parts: NamedDependency[CloudParts],
    from_: From = None,
    to: To = None,
    measurements: Names = None,
    max_points: MaxPoints = 1000,
    resolution: Resolution = AUTO,
    aggregates: Aggregates = None,
) -> Response[HistoryView] | Stream:
    """In columns of at most max_points. Short stretches and few readings come as they are, thinned to the last one and to lows
    and highs where they are too many; else in buckets, with their mean, and of lowest, highest and so on what is asked for.
    Nothing is filtered: `quality` says which points are out of range or undeclared.

    With `Accept: text/csv` or `application/x-ndjson` all raw readings as a stream of lines, however many there are. A transfer
    that breaks off has no end: HTTP clients call that an error.
    """
    over = window(from_, to, parts.clock())
    if media_type := file_type(request):
        check_file(resolution, aggregates)
        await telemetry.check(request.user, device, names(measurements))
        return file(await exports.lines(request.user, Scope([device]), over, names(measurements), media_type))
    wish = wished(measurements, max_points, resolution, aggregates)
    answer = await telemetry.history(request.user, device, over, wish, now(parts))
    return told(answer)


@get("/telemetry", opt={OFFERS: tuple(FORMS)}, responses=problems(404, 422), summary="Histories of many devices")
async def histories(
    request: Call,
    telemetry: NamedDependency[Telemetry],
    exports: NamedDependency[Exports],
    parts: NamedDependency[CloudParts],
    ids: Annotated[str | None, QueryParameter(name="devices", description="with commas between; all if absent")] = None,
    device_type: Annotated[str | None, QueryParameter(name="type")] = None,
    organization: FromQuery[str | None] = None,
    from_: From = None,
    to: To = None,
    measurements: Names = None,
    max_points: MaxPoints = 500,
    resolution: Resolution = AUTO,
    aggregates: Aggregates = None,
) -> Response[HistoriesView] | Stream:
    """In buckets of one width for all, at most max_points each.

    With `Accept: text/csv` or `application/x-ndjson` all raw readings as a stream of lines, by device and time.
    """
    over, scope = window(from_, to, parts.clock()), Scope(split(ids), device_type, organization)
    if media_type := file_type(request):
        check_file(resolution, aggregates)
        return file(await exports.lines(request.user, scope, over, names(measurements), media_type))
    wish = wished(measurements, max_points, resolution, aggregates)
    return told(await telemetry.histories(request.user, scope, over, wish, now(parts)))


@get("/telemetry/{device:str}/readings", responses=problems(404, 422), summary="Raw readings of a device")
async def readings(
    request: Call,
    device: FromPath[str],
    telemetry: NamedDependency[Telemetry],
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
    await telemetry.check(request.user, device, names(measurements))
    page = await exports.readings(request.user, device, wanted, names(measurements), cursor, limit)
    return Response(page, headers=sources(page.source, simulated=page.simulated))


@get("/telemetry/{device:str}/latest", responses=problems(404), summary="Newest readings of a device")
async def latest(request: Call, device: FromPath[str], telemetry: NamedDependency[Telemetry]) -> Response[LatestReadings]:
    """The newest reading by event time of every measurement."""
    view = await telemetry.latest(request.user, device)
    return Response(view, headers=sources((value.source for value in view.latest.values()), simulated=view.simulated))


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
    max_points: MaxPoints = 500,
    resolution: Resolution = AUTO,
) -> Response[AverageView]:
    """Over all readings of the devices that you may see, and bucket by bucket; without simulated ones unless asked for.

    Readings that are out of range count like all others: `quality` says which buckets hold some.
    """
    wanted = Wanted(measurement, device_type, organization, include_simulated)
    step = wished(None, max_points, resolution, None).step
    if step == RAW:
        raise InvalidInput("resolution", "a mean has buckets: choose a width")
    view = await averages.average(request.user, wanted, window(from_, to, parts.clock()), step, max_points)
    return marked(view, [view.simulated])


def file_type(request: Call) -> str | None:
    """The media type of a file, when one is preferred to JSON."""
    best = preferred(request.headers.get("accept", ""), (JSON, *FORMS))
    return best if best in FORMS else None


def file(lines: Lines) -> Stream:
    """The answer that a browser saves and a program reads line by line."""
    headers = {
        "Content-Disposition": f'attachment; filename="{lines.name}"',
        **sources("simulation" if simulated else "device" for simulated in lines.simulated),
    }
    return Stream(lines.text, media_type=lines.media_type, headers=headers)


def told(answer: Answer) -> Response[Any]:
    """A history with its provenance in the header."""
    return Response(answer.view, headers=sources(answer.sources))


def now(parts: CloudParts) -> datetime:
    """By the application's clock."""
    return datetime.fromtimestamp(parts.clock(), UTC)


def wished(measurements: str | None, max_points: int, resolution: str, aggregates: str | None) -> Wish:
    """How a history is wanted.

    Raises:
        InvalidInput: there is no such resolution or aggregate, or too many measurements.
    """
    if resolution != AUTO and resolution not in RESOLUTIONS:
        raise InvalidInput("resolution", f"must be one of {', '.join([AUTO, *RESOLUTIONS])}")
    kinds = split(aggregates) or []
    if unknown := [kind for kind in kinds if kind not in AGGREGATES]:
        raise InvalidInput("aggregates", f"there is no {unknown[0]}; known: {', '.join(AGGREGATES)}")
    return Wish(names(measurements), max_points, RESOLUTIONS.get(resolution), kinds)


def check_file(resolution: str, aggregates: str | None) -> None:
    """A file holds raw readings.

    Raises:
        InvalidInput: buckets are asked for.
    """
    if resolution not in (AUTO, name_of(RAW)):
        raise InvalidInput("resolution", "a file holds raw readings: leave it out, or ask for JSON")
    if aggregates:
        raise InvalidInput("aggregates", "a file holds raw readings: leave it out, or ask for JSON")


def split(text: str | None) -> list[str] | None:
    """Words with commas between, each once; None when there is none."""
    return list(dict.fromkeys(word for word in (text or "").split(",") if word)) or None


def names(text: str | None) -> Sequence[str] | None:
    """The measurements of a query.

    Raises:
        InvalidInput: there are too many.
    """
    found = split(text)
    if found and len(found) > MAX_MEASUREMENTS:
        raise InvalidInput("measurements", f"must be at most {MAX_MEASUREMENTS}")
    return found


router = Router("/", route_handlers=[history, histories, readings, latest, average], tags=["telemetry"])
