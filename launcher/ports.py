"""TCP ports: a taken one is named with the setting that changes it."""

import random
import socket
from pathlib import Path

from iotsphere.errors import PortTaken
from iotsphere.settings import Settings
from launcher.home import LOOPBACK

RANGE_FILE = Path("/proc/sys/net/ipv4/ip_local_port_range")
LOWEST = 20_000


def claim_all(settings: Settings) -> dict[str, int]:
    """The ports that this machine will listen on, each by the name of its setting; those of stores elsewhere are not among them.

    Raises:
        PortTaken: another program listens on one of them.
    """
    hosts = {**dict.fromkeys(("mqtt_port", "wss_port", "http_port"), settings.bind_host), "edge_port": LOOPBACK}
    if not settings.dsn:
        hosts["postgres_port"] = LOOPBACK
    if not settings.redis_url:
        hosts["valkey_port"] = LOOPBACK
    return {name: claim(host, getattr(settings, name), f"IOTSPHERE_{name.upper()}") for name, host in hosts.items()}


def claim(host: str, port: int, setting: str) -> int:
    """The port to listen on: the given one, or a free one for 0.

    Raises:
        PortTaken: another program listens there.
    """
    if port == 0:
        return _free(host, setting)
    if not _can_bind(host, port):
        raise PortTaken(port, setting)
    return port


def _free(host: str, setting: str) -> int:
    """A port below those that the kernel gives to outgoing connections: nobody takes it while its program restarts."""
    try:
        ceiling = int(RANGE_FILE.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        ceiling = 0
    for _ in range(1000):
        port = random.randrange(LOWEST, max(ceiling, LOWEST + 10_000))
        if _can_bind(host, port):
            return port
    raise PortTaken(0, setting)


def _can_bind(host: str, port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True
