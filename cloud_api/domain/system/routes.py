"""/system, /health and /metrics."""

from litestar import Response, Router, get
from litestar.di import NamedDependency
from litestar.openapi import ResponseSpec
from prometheus_client import CollectorRegistry

from cloud_api import metrics
from cloud_api.domain.system.schemas import Health, Readiness, SystemView
from cloud_api.domain.system.service import System
from cloud_api.responses import problems

UNREADY = ResponseSpec(Readiness, description="a neighbour does not answer", generate_examples=False)


@get("/system/status", responses=problems(), summary="State of the installation")
async def system_status(system: NamedDependency[System]) -> SystemView:
    """Services, disk, version, whether live values flow."""
    return await system.view()


@get("/health/live", exclude_from_auth=True, summary="Liveness")
async def live() -> Health:
    """The process answers."""
    return Health()


@get("/health/ready", exclude_from_auth=True, responses={503: UNREADY}, summary="Readiness")
async def ready(system: NamedDependency[System]) -> Response[Readiness]:
    """Database and event bus answer too; else 503."""
    found = await system.readiness()
    return Response(found, status_code=200 if found.status == "ok" else 503)


@get("/metrics", exclude_from_auth=True, include_in_schema=False, sync_to_thread=False)
def prometheus(registry: NamedDependency[CollectorRegistry]) -> Response[bytes]:
    """Prometheus exposition."""
    return Response(metrics.render(registry), media_type=metrics.CONTENT_TYPE)


router = Router("/", route_handlers=[system_status], tags=["system"])
root_router = Router("/", route_handlers=[live, ready, prometheus], tags=["system"])
