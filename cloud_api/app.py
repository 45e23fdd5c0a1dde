"""Puts the application together: Litestar for REST, Socket.IO beside it, the dashboard behind both."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import socketio
from litestar import Litestar, Router
from litestar.di import Provide
from litestar.middleware import DefineMiddleware
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin, YamlRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme
from prometheus_client import CollectorRegistry

from cloud_api import errors
from cloud_api.asgi import ASGIApp
from cloud_api.auth import BearerMiddleware, Tokens
from cloud_api.dashboard import Dashboard
from cloud_api.domain.collections.routes import collection_router
from cloud_api.domain.collections.service import Collections
from cloud_api.domain.commands.routes import router as commands_router
from cloud_api.domain.commands.service import Commands
from cloud_api.domain.dead_letters.routes import router as dead_letters_router
from cloud_api.domain.dead_letters.service import DeadLetters
from cloud_api.domain.device_types.routes import types_router
from cloud_api.domain.devices.certificates import Certificates
from cloud_api.domain.devices.connect import Connect
from cloud_api.domain.devices.events import Events
from cloud_api.domain.devices.fleet import Fleet
from cloud_api.domain.devices.gaps import Gaps
from cloud_api.domain.devices.refusals import Refusals
from cloud_api.domain.devices.routes import router as devices_router
from cloud_api.domain.devices.service import Devices
from cloud_api.domain.organizations.routes import router as organizations_router
from cloud_api.domain.organizations.service import Organizations
from cloud_api.domain.shadow.routes import router as shadow_router
from cloud_api.domain.shadow.service import Shadows
from cloud_api.domain.system.routes import root_router
from cloud_api.domain.system.routes import router as system_router
from cloud_api.domain.system.service import System
from cloud_api.domain.telemetry.averages import Averages
from cloud_api.domain.telemetry.exports import Exports
from cloud_api.domain.telemetry.routes import router as telemetry_router
from cloud_api.domain.telemetry.scope import Scopes
from cloud_api.domain.telemetry.service import Telemetry
from cloud_api.domain.users.accounts import Accounts
from cloud_api.domain.users.routes import router as users_router
from cloud_api.domain.users.service import SignIn
from cloud_api.live import Live
from cloud_api.live_directory import Directory
from cloud_api.media import known_media
from cloud_api.metrics import HttpMetrics, LiveMetrics, add_process_metrics
from cloud_api.outer import Outer, Switch
from cloud_api.parts import CloudParts
from cloud_api.query import known_parameters
from cloud_api.tenancy import Tenancy
from ingest.charts import Charts
from ingest.export import Export

__all__ = ["CloudParts", "create_app"]

MAX_BODY = 1 << 20


@dataclass(frozen=True, slots=True)
class Services:
    """What the routes are given, by these names."""

    parts: CloudParts
    registry: CollectorRegistry
    sign_in: SignIn
    accounts: Accounts
    organizations: Organizations
    devices: Devices
    certificates: Certificates
    connect: Connect
    refusals: Refusals
    events: Events
    fleet: Fleet
    gaps: Gaps
    telemetry: Telemetry
    averages: Averages
    exports: Exports
    dead_letters: DeadLetters
    shadows: Shadows
    commands: Commands
    collections: Collections
    system: System


def create_app(parts: CloudParts) -> ASGIApp:
    """The whole ASGI application. Its lifespan starts and stops signals, the bus and the live side."""
    add_process_metrics(parts.registry)
    tokens, tenancy = Tokens(parts.jwt_secret, parts.clock), Tenancy(parts.pool)
    devices = Devices(tenancy, parts.history, parts.types, parts.signals, parts.clock)
    live = Live(parts.bus, tokens, devices, Directory(parts.pool), parts.types, LiveMetrics(parts.registry), parts.clock)
    rest = _litestar(_services(parts, tokens, tenancy, devices, live), tokens, live)
    app = socketio.ASGIApp(live.server, other_asgi_app=Switch(rest, Dashboard(parts.dashboard)))
    collections = frozenset(declared.collection for declared in parts.types.values())
    return Outer(app, HttpMetrics(parts.registry, collections))


def _services(parts: CloudParts, tokens: Tokens, tenancy: Tenancy, devices: Devices, live: Live) -> Services:
    connect = Connect(parts.mqtt_host, parts.mqtt_port, parts.authority.ca_file.read_bytes(), parts.types)
    scopes = Scopes(tenancy, parts.types)
    shadows, gaps = Shadows(devices, parts.shadow, parts.archive), Gaps(devices, parts.telemetry_pool)
    return Services(
        parts=parts,
        registry=parts.registry,
        sign_in=SignIn(tenancy, tokens, parts.clock),
        accounts=Accounts(tenancy),
        organizations=Organizations(tenancy),
        devices=devices,
        certificates=Certificates(tenancy, parts.authority, connect, parts.signals),
        connect=connect,
        events=Events(tenancy),
        refusals=Refusals(tenancy, devices, parts.telemetry_pool),
        fleet=Fleet(tenancy, devices, gaps, live.feed, parts.clock),
        gaps=gaps,
        telemetry=Telemetry(devices, scopes, Charts(parts.history), parts.types, timedelta(days=parts.retention_days)),
        averages=Averages(tenancy, parts.history, parts.types),
        exports=Exports(scopes, Export(parts.telemetry_pool)),
        dead_letters=DeadLetters(Tenancy(parts.telemetry_pool), parts.signals),
        shadows=shadows,
        commands=Commands(devices, parts.commands),
        collections=Collections(devices, shadows),
        system=System(parts.pool, parts.status, live.healthy),
    )


def _litestar(services: Services, tokens: Tokens, live: Live) -> Litestar:
    api = Router(
        "/api/v1",
        route_handlers=[
            users_router, organizations_router, types_router, devices_router, telemetry_router, dead_letters_router,
            shadow_router, commands_router, system_router,
            *(collection_router(declared) for declared in services.parts.types.values()),
        ],
        security=[{"bearer": []}],
        guards=[known_parameters, known_media],
    )  # fmt: skip
    return Litestar(
        route_handlers=[api, root_router],
        dependencies={name: _given(getattr(services, name)) for name in Services.__slots__},
        middleware=[DefineMiddleware(BearerMiddleware, tokens=tokens, exclude=["^/schema"])],
        exception_handlers=errors.HANDLERS,
        openapi_config=_openapi(services.parts),
        lifespan=[_lifespan(services.parts, live)],
        request_max_body_size=MAX_BODY,
        logging_config=None,
    )


def _given(service: Any) -> Provide:
    return Provide(lambda: service, sync_to_thread=False, use_cache=True)


def _openapi(parts: CloudParts) -> OpenAPIConfig:
    scheme = SecurityScheme(type="http", scheme="bearer", bearer_format="JWT")
    return OpenAPIConfig(
        title="IoTSphere",
        version="1",
        description="Every error is application/problem+json and names the field that is wrong. Bodies are JSON: with another "
        "Content-Type they are refused (415), as is an Accept header that takes no answer (406).",
        components=Components(security_schemes={"bearer": scheme}),
        render_plugins=[JsonRenderPlugin(), YamlRenderPlugin()],  # the HTML viewers load scripts from elsewhere
        path="/schema",
        use_handler_docstrings=True,
    )


def _lifespan(parts: CloudParts, live: Live) -> Any:
    @asynccontextmanager
    async def run(_: Litestar) -> AsyncIterator[None]:
        async with AsyncExitStack() as running:
            for part in (parts.signals, parts.bus, live):
                await part.start()
                running.push_async_callback(part.stop)
            yield

    return run
