"""/devices/{device}/shadow."""

from typing import Annotated, Any

from litestar import Request, Response, Router, get, patch
from litestar.di import NamedDependency
from litestar.exceptions import HTTPException
from litestar.params import Body, FromPath, HeaderParameter

from cloud_api.auth import Principal, at_least
from cloud_api.domain.devices.table import DeviceRow
from cloud_api.domain.shadow.etag import etag, expected_version
from cloud_api.domain.shadow.schemas import ShadowDocument
from cloud_api.domain.shadow.service import Shadows, desired_of
from cloud_api.responses import marked, problems

Call = Request[Principal, None, Any]
MERGE_PATCH = "application/merge-patch+json"
IfMatch = Annotated[
    str | None,
    HeaderParameter(name="If-Match", required=False,
        description='the version that was read, as the ETag gave it: "7"; * for any that exists. It holds while desired has not '
        "been written since that version, so that what the device reports meanwhile does no harm",
    ),
]  # fmt: skip
STALE = "desired was written since the version of If-Match, or there is no such version yet"
PATCH_PROBLEMS = problems(403, 404, 409, 415, 422, _412=STALE)


@get("/devices/{device:str}/shadow", responses=problems(404), summary="Get a device's shadow")
async def get_shadow(request: Call, device: FromPath[str], shadows: NamedDependency[Shadows]) -> Response[ShadowDocument]:
    """Desired, reported, and where they differ; empty with version 0 before the first change. The ETag is the version."""
    return tagged(*await shadows.get(request.user, device))


@patch(
    "/devices/{device:str}/shadow",
    guards=[at_least("operator")],
    responses=PATCH_PROBLEMS,
    summary="Change what is desired of a device",
)
async def patch_shadow(
    request: Call,
    device: FromPath[str],
    data: Annotated[dict[str, Any], Body(media_type=MERGE_PATCH, description='{"desired": {property: value, or null}}')],
    shadows: NamedDependency[Shadows],
    if_match: IfMatch = None,
) -> Response[ShadowDocument]:
    """A merge patch (RFC 7396) of the document: objects merge, null removes, arrays are replaced."""
    require_patch(request)
    return tagged(*await shadows.desire(request.user, device, desired_of(data), expected_version(if_match)))


def tagged(row: DeviceRow, document: ShadowDocument) -> Response[ShadowDocument]:
    """The document with its entity tag."""
    return marked(document, [row.simulated], headers={"ETag": etag(document.version)})


def require_patch(request: Call) -> None:
    """Raises:
    HTTPException: 415, the body is neither declared a merge patch nor plain JSON, which then means one.
    """
    if request.content_type[0] not in (MERGE_PATCH, "application/json"):
        raise HTTPException(status_code=415, detail=f"send {MERGE_PATCH}", headers={"Accept-Patch": MERGE_PATCH})


router = Router("/", route_handlers=[get_shadow, patch_shadow], tags=["shadow"])
