"""What `iotsphere status` tells, as data and as text."""

import json
import os
import shutil
from dataclasses import asdict, dataclass, field
from http.client import HTTPException
from pathlib import Path
from typing import Any

from iotsphere.errors import Misconfigured
from launcher import loopback
from launcher.home import ADMIN, Home
from launcher.lock import holder

GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class Disk:
    """Disk of the home, bytes.

    Attributes:
        days_left: None until growth was seen for long enough to say.
        paused: `edge` takes nothing in, because there is hardly any room.
    """

    used: int
    free: int
    days_left: float | None
    paused: bool


@dataclass(frozen=True, slots=True)
class Status:
    """The whole answer of `iotsphere status --json`."""

    ready: bool
    urls: dict[str, str]
    dsn: str
    admin: dict[str, str]
    services: dict[str, dict[str, Any]]
    disk: dict[str, Any] = field(default_factory=dict)


def read(home: Home) -> Status:
    """The present state; never raises: a platform that does not run is a state too."""
    running = holder(home.lock_file) is not None
    services = _services(home) if running else {}
    try:
        endpoints = home.endpoints() if running else None
    except Misconfigured:
        endpoints = None
    return Status(
        ready=bool(endpoints) and _all_ready(services),
        urls={"http": endpoints.http, "mqtts": endpoints.mqtts, "wss": endpoints.wss} if endpoints else {},
        dsn=endpoints.dsn if endpoints else "",
        admin={"user": ADMIN, "password_file": str(home.admin_password_file)},
        services=services,
        disk=asdict(disk(home, endpoints.edge if endpoints else "")),
    )


def is_ready(home: Home) -> bool:
    """Whether every service of a running platform is ready."""
    return holder(home.lock_file) is not None and _all_ready(_services(home))


def _all_ready(services: dict[str, dict[str, Any]]) -> bool:
    return bool(services) and all(s["state"] == "ready" for s in services.values())


def _services(home: Home) -> dict[str, dict[str, Any]]:
    try:
        found: dict[str, dict[str, Any]] = json.loads(home.state_file.read_text())
    except (OSError, ValueError):
        return {}
    return found


def disk(home: Home, edge: str = "") -> Disk:
    """Bytes used below the home and free on its file system; what comes of it as `edge` (its health URL) has worked it out."""
    guard = _guard(edge) if edge else {}
    return Disk(
        used=used_bytes(home.root),
        free=shutil.disk_usage(home.root).free if home.root.exists() else 0,
        days_left=guard.get("days_left"),
        paused=not guard.get("ok", True),
    )


def _guard(edge: str) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(loopback.get_whatever(f"{edge}/health/ready", 1.0))["parts"]["disk"]
    except (OSError, HTTPException, ValueError, KeyError, TypeError):
        return {}
    return found


def used_bytes(root: Path) -> int:
    """Bytes allocated below a directory; files that vanish meanwhile count nothing."""
    total = 0
    for directory, _, names in os.walk(root):
        for name in names:
            try:
                total += (Path(directory) / name).lstat().st_blocks * 512
            except OSError:
                continue
    return total


def render(status: Status) -> str:
    """The status for people."""
    if not status.services:
        return "not running"
    lines = ["ready" if status.ready else "not ready yet"]
    lines += [
        f"  {name:<10} {s['state']:<9} pid {s['pid'] or '-'}  restarts {s['restarts']}" for name, s in status.services.items()
    ]
    lines += [f"  {kind:<10} {url}" for kind, url in status.urls.items()]
    left = status.disk.get("days_left")
    days = f"about {left:.0f} days left" if left else "days left not known yet"
    lines.append(f"  disk       {status.disk['used'] / GIB:.2f} GiB used, {status.disk['free'] / GIB:.1f} GiB free, " + days)
    if status.disk["paused"]:
        lines.append("  ALARM      the disk is nearly full: intake is paused until there is room")
    return "\n".join(lines)
