"""What `iotsphere status` tells, as data and as text."""

import json
import os
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from iotsphere.errors import Misconfigured
from launcher.home import Home
from launcher.lock import holder

GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class Disk:
    """Disk of the home. ``days_left`` is None until growth was seen for long enough to say."""

    used: int
    free: int
    days_left: float | None


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
        ready=bool(endpoints and services) and all(s["state"] == "ready" for s in services.values()),
        urls={"http": endpoints.http, "mqtts": endpoints.mqtts} if endpoints else {},
        dsn=endpoints.dsn if endpoints else "",
        admin={"user": "admin", "password_file": str(home.admin_password_file)},
        services=services,
        disk=asdict(disk(home)),
    )


def _services(home: Home) -> dict[str, dict[str, Any]]:
    try:
        found: dict[str, dict[str, Any]] = json.loads(home.state_file.read_text())
    except (OSError, ValueError):
        return {}
    return found


def disk(home: Home) -> Disk:
    """Bytes used below the home and free on its file system; days left as `edge` has worked them out."""
    try:
        report = json.loads((home.run / "disk.json").read_text())
    except (OSError, ValueError):
        report = {}
    return Disk(
        used=used_bytes(home.root),
        free=shutil.disk_usage(home.root).free if home.root.exists() else 0,
        days_left=report.get("days_left"),
    )


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
    return "\n".join(lines)
