"""/devices/{device}/shadow, the classic one, and /devices/{device}/shadows/{name}."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from litestar import Request, Response, Router, delete, get, patch, put
from litestar.di import NamedDependency
from litestar.openapi.spec import Operation, RequestBody
from litestar.params import Body, FromPath, FromQuery, HeaderParameter, QueryParameter

from cloud_api.auth import Principal, at_least
from cloud_api.domain.shadow.etag import etag, expectation, is_known
from cloud_api.domain.shadow.schemas import RevisionPage, ShadowDocument, ShadowList
from cloud_api.domain.shadow.service import CLASSIC, Past, Shadows, Whose, desired_of
from cloud_api.media import JSON
from cloud_api.responses import marked, problems

Call = Request[Principal, None, Any]
MERGE_PATCH = "application/merge-patch+json"
CLASSIC_PATH, NAMED_PATH = "/devices/{device:str}/shadow", "/devices/{device:str}/shadows/{name:str}"
PATHS = [CLASSIC_PATH, NAMED_PATH]
IfMatch = Annotated[
    str | None,
    HeaderParameter(name="If-Match", required=False,
        description='the version that was read, as the ETag gave it: "7"; * for any that exists. It holds while desired has not '
        "been written since that version, so that what the device reports meanwhile does no harm",
    ),
]  # fmt: skip
IfNone = Annotated[
    str | None,
    HeaderParameter(name="If-None-Match", required=False, description="*: only make a shadow that there is not yet"),
]
Known = Annotated[
    str | None,
    HeaderParameter(name="If-None-Match", required=False, description='the version that the reader has, "7": then 304, no body'),
]
At = Annotated[datetime | None, QueryParameter(description="as it was at that moment (RFC 3339)")]
Numbered = Annotated[int | None, QueryParameter(name="revision", ge=1, description="as it was in that version")]
Wanted = Annotated[dict[str, Any], Body(media_type=MERGE_PATCH, description='{"desired": {property: value, or null}}')]
Whole = Annotated[dict[str, Any], Body(description='{"desired": {property: value}}: all that shall be desired')]
STALE = "desired was written since the version of If-Match, or there is no such version yet"
MOVED = "the device is retired, or the version in the body is not the document's"
PATCH_PROBLEMS = problems(403, 404, 415, 422, _409=MOVED, _412=STALE)
PUT_PROBLEMS = problems(403, 404, 422, _409=MOVED, _412=STALE, _428="neither If-Match nor If-None-Match")


@dataclass
class MergePatch(Operation):
    """A PATCH in the interface description, where Litestar knows one media type: plain JSON is taken for a merge patch too."""

    def __post_init__(self) -> None:
        if isinstance(self.request_body, RequestBody):
            self.request_body.content.setdefault(JSON, self.request_body.content[MERGE_PATCH])


@get(PATHS, responses=problems(404, 422), summary="Get a shadow")
async def get_shadow(
    request: Call,
    device: FromPath[str],
    shadows: NamedDependency[Shadows],
    name: FromPath[str] = CLASSIC,
    at: At = None,
    revision: Numbered = None,
    known: Known = None,
) -> Response[ShadowDocument]:
    """Desired, reported, where they differ, and how far the device is; the classic one is empty with version 0 before the first
    change. The ETag is the version."""
    row, document = await shadows.get(request.user, device, name, Past(at, revision))
    if is_known(known, document.version):
        return Response(None, status_code=304, headers={"ETag": etag(document.version)})  # type: ignore[arg-type]  # no body
    return tagged(row, document)


@patch(
    PATHS,
    guards=[at_least("operator")],
    responses=PATCH_PROBLEMS,
    summary="Change what is desired of a device",
    operation_class=MergePatch,
)
async def patch_shadow(
    request: Call,
    device: FromPath[str],
    data: Wanted,
    shadows: NamedDependency[Shadows],
    name: FromPath[str] = CLASSIC,
    if_match: IfMatch = None,
    if_none: IfNone = None,
) -> Response[ShadowDocument]:
    """A merge patch (RFC 7396) of the document: objects merge, null removes, arrays are replaced. A ``version`` beside
    ``desired`` must be the document's."""
    desired, version = desired_of(data)
    expected = expectation(if_match, if_none, version=version)
    return tagged(*await shadows.desire(request.user, device, desired, expected, name=name))


@put(PATHS, guards=[at_least("operator")], responses=PUT_PROBLEMS, summary="Replace what is desired of a device")
async def put_shadow(
    request: Call,
    device: FromPath[str],
    data: Whole,
    shadows: NamedDependency[Shadows],
    name: FromPath[str] = CLASSIC,
    if_match: IfMatch = None,
    if_none: IfNone = None,
) -> Response[ShadowDocument]:
    """What is not in it is not desired any more; what the device reports stays. Needs If-Match or If-None-Match."""
    desired, version = desired_of(data)
    expected = expectation(if_match, if_none, version=version)
    return tagged(*await shadows.desire(request.user, device, desired, expected, name=name, replace=True))


@delete(PATHS, guards=[at_least("operator")], responses=problems(403, 404, 409, _412=STALE), summary="Delete a shadow")
async def delete_shadow(
    request: Call,
    device: FromPath[str],
    shadows: NamedDependency[Shadows],
    name: FromPath[str] = CLASSIC,
    if_match: IfMatch = None,
) -> None:
    """Desired and reported are gone; the version counts on when the shadow is made again. Its revisions stay readable."""
    await shadows.delete(request.user, device, name, expectation(if_match))


@get("/devices/{device:str}/shadows", responses=problems(404), summary="List the shadows of a device")
async def list_shadows(request: Call, device: FromPath[str], shadows: NamedDependency[Shadows]) -> Response[ShadowList]:
    """By name; that of the classic one is empty."""
    row, found = await shadows.list(request.user, device)
    return marked(found, [row.simulated])


@get(
    [f"{path}/revisions" for path in PATHS],
    responses=problems(404, 422),
    summary="Who changed what of a shadow",
)
async def list_revisions(
    request: Call,
    device: FromPath[str],
    shadows: NamedDependency[Shadows],
    name: FromPath[str] = CLASSIC,
    before: FromQuery[int | None] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=500)] = 100,
) -> Response[RevisionPage]:
    """Every change, newest first, as long as it is kept."""
    row, page = await shadows.revisions(request.user, device, name, before, limit)
    return marked(page, [row.simulated])


def tagged(row: Whose, document: ShadowDocument) -> Response[ShadowDocument]:
    """The document with its entity tag."""
    return marked(document, [row.simulated], headers={"ETag": etag(document.version)})


router = Router(
    "/",
    route_handlers=[get_shadow, patch_shadow, put_shadow, delete_shadow, list_shadows, list_revisions],
    tags=["shadow"],
)
