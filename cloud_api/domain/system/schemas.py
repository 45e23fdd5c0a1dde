"""State of the installation on the wire."""

from typing import Any, Literal

import msgspec


class SystemView(msgspec.Struct, kw_only=True, frozen=True):
    """What `iotsphere status` knows, and whether live values flow."""

    ready: bool
    services: dict[str, Any]
    disk: dict[str, Any]
    version: str
    bus_ok: bool
    live: Literal["ok", "interrupted"]


class Readiness(msgspec.Struct, frozen=True):
    """Whether everything answers, and which neighbours do."""

    status: Literal["ok", "unavailable"]
    database: bool
    bus: bool


class Health(msgspec.Struct, frozen=True):
    """The process answers."""

    status: Literal["ok"] = "ok"
