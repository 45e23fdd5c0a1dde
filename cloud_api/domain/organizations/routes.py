"""/organizations."""

from typing import Any

from litestar import Request, Router, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from cloud_api.auth import Principal, all_organizations, at_least
from cloud_api.domain.organizations.schemas import NewOrganization, Organization
from cloud_api.domain.organizations.service import Organizations
from cloud_api.responses import problems

Call = Request[Principal, None, Any]


@get("/", responses=problems(), summary="List organizations")
async def list_organizations(request: Call, organizations: NamedDependency[Organizations]) -> list[Organization]:
    """Those that you may see."""
    return await organizations.visible(request.user)


@post("/", guards=[at_least("admin"), all_organizations], responses=problems(403, 409, 422), summary="Add an organization")
async def add_organization(
    request: Call, data: JSONBody[NewOrganization], organizations: NamedDependency[Organizations]
) -> Organization:
    """For admins of all organizations."""
    return await organizations.add(request.user, data)


router = Router("/organizations", route_handlers=[list_organizations, add_organization], tags=["organizations"])
