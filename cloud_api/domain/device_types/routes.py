"""/device-types."""

from litestar import Router, get
from litestar.di import NamedDependency

from cloud_api.domain.device_types.schemas import DeviceTypeView, view
from cloud_api.parts import CloudParts
from cloud_api.responses import problems


@get("/device-types", responses=problems(), summary="List device types", sync_to_thread=False)
def list_types(parts: NamedDependency[CloudParts]) -> list[DeviceTypeView]:
    """What each type measures, which properties may be desired, which commands it obeys."""
    return [view(declared) for declared in parts.types.values()]


types_router = Router("/", route_handlers=[list_types], tags=["device types"])
