"""/devices, /refusals and /fleet."""

from typing import Annotated, Any

from litestar import Request, Response, Router, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from cloud_api.auth import Principal, all_organizations, at_least
from cloud_api.domain.devices.certificates import Certificates
from cloud_api.domain.devices.connect import Connect
from cloud_api.domain.devices.events import Events
from cloud_api.domain.devices.fleet import Fleet
from cloud_api.domain.devices.gaps import Gaps
from cloud_api.domain.devices.refusals import Refusals
from cloud_api.domain.devices.schemas import (
    CertificateList,
    ConnectInfo,
    Device,
    DevicePage,
    EventList,
    FleetSummary,
    GapList,
    NewDevice,
    RefusalList,
)
from cloud_api.domain.devices.service import Devices
from cloud_api.domain.devices.table import Filter
from cloud_api.responses import marked, problems

Call = Request[Principal, None, Any]
Limit = Annotated[int, QueryParameter(ge=1, le=500)]
Type = Annotated[str | None, QueryParameter(name="type", description="key of a device type, such as water_heater")]
Owner = Annotated[str | None, QueryParameter(description="id of the organization that owns them; all that you may see if absent")]
Part = Annotated[str | None, QueryParameter(description="a part of the id, in any case")]
Connected = Annotated[bool | None, QueryParameter(description="whether it has a session now")]
HasDelta = Annotated[bool | None, QueryParameter(description="whether something that is desired is not in effect")]
StuckFor = Annotated[float | None, QueryParameter(ge=0, description="not in effect for so many seconds at least")]
Cursor = Annotated[str, QueryParameter(description="the next_cursor of the page before; the first page if absent")]
MOVING = problems(403, 404, _409="it is retired")


@get("/devices", responses=problems(422), summary="List devices")
async def list_devices(
    request: Call,
    devices: NamedDependency[Devices],
    device_type: Type = None,
    organization: Owner = None,
    q: Part = None,
    connected: Connected = None,
    has_delta: HasDelta = None,
    stuck_for: StuckFor = None,
    cursor: Cursor = "",
    limit: Limit = 50,
) -> Response[DevicePage]:
    """By id, a page at a time; retired devices are left out."""
    wanted = Filter(device_type, organization, q, connected, has_delta, stuck_for)
    page = await devices.page(request.user, wanted, cursor, limit)
    return marked(page, (d.simulated for d in page.items))


@post("/devices", guards=[at_least("operator")], responses=problems(403, 409, 422), summary="Register a device")
async def add_device(request: Call, data: JSONBody[NewDevice], devices: NamedDependency[Devices]) -> Response[Device]:
    """Then make its certificate."""
    device = await devices.add(request.user, data)
    return marked(device, [device.simulated], status_code=201, headers={"Location": f"/api/v1/devices/{device.id}"})


@get("/devices/{device:str}", responses=problems(404), summary="Get a device")
async def get_device(request: Call, device: FromPath[str], devices: NamedDependency[Devices]) -> Response[Device]:
    """Retired devices too."""
    view = await devices.get(request.user, device)
    return marked(view, [view.simulated])


@delete("/devices/{device:str}", guards=[at_least("admin")], responses=problems(403, 404), summary="Retire a device")
async def retire_device(request: Call, device: FromPath[str], devices: NamedDependency[Devices]) -> None:
    """For good: certificates are revoked, the id is never given out again, the data stays readable."""
    await devices.retire(request.user, device)


@post(
    "/devices/{device:str}/disable",
    status_code=200,
    guards=[at_least("admin")],
    responses=MOVING,
    summary="Disable a device",
)
async def disable_device(request: Call, device: FromPath[str], devices: NamedDependency[Devices]) -> Response[Device]:
    """Its connections are refused until it is enabled."""
    view = await devices.disable(request.user, device)
    return marked(view, [view.simulated])


@post(
    "/devices/{device:str}/enable",
    status_code=200,
    guards=[at_least("admin")],
    responses=MOVING,
    summary="Enable a device",
)
async def enable_device(request: Call, device: FromPath[str], devices: NamedDependency[Devices]) -> Response[Device]:
    """Undo disable."""
    view = await devices.enable(request.user, device)
    return marked(view, [view.simulated])


@post(
    "/devices/{device:str}/certificate",
    status_code=200,
    guards=[at_least("operator")],
    media_type="application/zip",
    responses=problems(403, 404, 409),
    summary="Make a key and a certificate",
)
async def issue_certificate(request: Call, device: FromPath[str], certificates: NamedDependency[Certificates]) -> Response[bytes]:
    """A zip with ID.key, ID.crt, ca.crt, ID.json for the SDK, and README.txt. The key is kept nowhere else."""
    archive = await certificates.issue(request.user, device)
    return Response(
        archive, media_type="application/zip", headers={"Content-Disposition": f'attachment; filename="{device}.zip"'}
    )


@get("/devices/{device:str}/certificates", responses=problems(404), summary="List a device's certificates")
async def list_certificates(request: Call, device: FromPath[str], certificates: NamedDependency[Certificates]) -> CertificateList:
    """Newest first, without keys."""
    return CertificateList(await certificates.of_device(request.user, device))


@post(
    "/devices/{device:str}/certificates/{serial:str}/revoke",
    status_code=204,
    guards=[at_least("admin")],
    responses=problems(403, 404),
    summary="Revoke a certificate",
)
async def revoke_certificate(
    request: Call, device: FromPath[str], serial: FromPath[str], certificates: NamedDependency[Certificates]
) -> None:
    """It opens no connection any more."""
    await certificates.revoke(request.user, device, serial)


@get("/devices/{device:str}/refusals", responses=problems(404, 422), summary="What was refused of a device")
async def list_refusals(
    request: Call, device: FromPath[str], refusals: NamedDependency[Refusals], limit: Limit = 100
) -> RefusalList:
    """TLS, client id, ACL, validation, clock: with the reason, newest first."""
    return RefusalList(await refusals.of_device(request.user, device, limit))


@get("/devices/{device:str}/events", responses=problems(404, 422), summary="What a device told")
async def list_events(
    request: Call, device: FromPath[str], events: NamedDependency[Events], limit: Limit = 100
) -> Response[EventList]:
    """Its events, newest first by its own clock."""
    view = await events.of_device(request.user, device, limit)
    return marked(view, [view.simulated])


@get("/devices/{device:str}/gaps", responses=problems(404, 422), summary="Which readings of a device never came")
async def list_gaps(
    request: Call, device: FromPath[str], gaps: NamedDependency[Gaps], limit: Annotated[int, QueryParameter(ge=1, le=100)] = 20
) -> Response[GapList]:
    """By its own sequence numbers, for each start of the device or session: received, missing, declared lost, repeated, late."""
    view = await gaps.of_device(request.user, device, limit)
    return marked(view, [view.simulated])


@get("/devices/{device:str}/connect", responses=problems(404), summary="How a device connects")
async def connect_info(
    request: Call, device: FromPath[str], devices: NamedDependency[Devices], connect: NamedDependency[Connect]
) -> ConnectInfo:
    """Address, topics, and lines that work as pasted."""
    return connect.info(await devices.visible(request.user, device))


@get(
    "/refusals/unknown",
    guards=[at_least("admin"), all_organizations],
    responses=problems(403, 422),
    summary="Refused unknown devices",
)
async def list_unknown(request: Call, refusals: NamedDependency[Refusals], limit: Limit = 100) -> RefusalList:
    """Peers that are not registered; for admins of all organizations, since such a peer belongs to none."""
    return RefusalList(await refusals.of_unknown(request.user, limit))


@get("/fleet/summary", responses=problems(), summary="Counts over the fleet")
async def fleet_summary(
    request: Call, fleet: NamedDependency[Fleet], organization: FromQuery[str | None] = None
) -> Response[FleetSummary]:
    """At most two seconds old."""
    summary = await fleet.summary(request.user, organization)
    return marked(summary, [True] * bool(summary.simulated) + [False] * bool(summary.total - summary.simulated))


router = Router(
    "/",
    tags=["devices"],
    route_handlers=[
        list_devices,
        add_device,
        get_device,
        retire_device,
        disable_device,
        enable_device,
        issue_certificate,
        list_certificates,
        revoke_certificate,
        list_refusals,
        list_events,
        list_gaps,
        connect_info,
        list_unknown,
        fleet_summary,
    ],
)
