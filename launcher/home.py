"""The state directory of one installation: what lies where, with which modes."""

import json
import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from iotsphere.errors import Misconfigured
from iotsphere.settings import Settings

ADMIN = "admin"  # the first user
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where the running platform is reached. Written by `up`, read by every other command.

    Attributes:
        http: dashboard and REST, a URL.
        mqtts: MQTT over mutual TLS, a URL.
        wss: MQTT over WebSocket over mutual TLS, a URL.
        dsn: PostgreSQL.
        redis_url: Redis or Valkey.
        edge: health and metrics of `edge`, a URL.
    """

    http: str
    mqtts: str
    wss: str
    dsn: str
    redis_url: str
    edge: str

    @classmethod
    def of(cls, settings: Settings) -> "Endpoints":
        """As the settings say; a platform is called by the first of its names."""
        name = settings.public_host[0] if settings.public_host else "localhost"
        return cls(
            http=f"http://{name}:{settings.http_port}",
            mqtts=f"mqtts://{name}:{settings.mqtt_port}",
            wss=f"wss://{name}:{settings.wss_port}/mqtt",
            dsn=settings.dsn,
            redis_url=settings.redis_url,
            edge=f"http://{LOOPBACK}:{settings.edge_port}",
        )


class Home:
    """Paths below the state directory; the directory and everything in it is the owner's alone."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self.certs = self.root / "certs"
        self.secrets = self.root / "secrets"
        self.logs = self.root / "logs"
        self.run = self.root / "run"
        self.devices = self.root / "devices"
        self.backups = self.root / "backups"
        self.postgres = self.root / "postgres"
        self.valkey = self.root / "valkey"
        self.admin_password_file = self.secrets / "admin-password"
        self.state_file = self.run / "state.json"
        self.endpoints_file = self.run / "endpoints.json"
        self.lock_file = self.run / "up.lock"

    def prepare(self) -> None:
        """Create what is missing, mode 0700.

        Raises:
            Misconfigured: it cannot be created, or belongs to somebody else.
        """
        try:
            for directory in (self.root, self.secrets, self.logs, self.run, self.devices, self.backups):
                directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.root.chmod(0o700)
            owner = self.root.stat().st_uid
        except OSError as error:
            raise Misconfigured(f"IOTSPHERE_HOME {self.root} cannot be used: {error}") from error
        if owner != os.geteuid():  # root could use it, and its owner not any more
            raise Misconfigured(f"IOTSPHERE_HOME {self.root} belongs to another user (uid {owner}): run it as that user")

    def prepare_run(self) -> None:
        """Create only what a lock needs.

        Raises:
            Misconfigured: it cannot be created, or belongs to somebody else.
        """
        try:
            self.run.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.root.chmod(0o700)
        except OSError as error:
            raise Misconfigured(f"IOTSPHERE_HOME {self.root} cannot be used: {error}") from error

    def secret(self, name: str) -> str:
        """A random secret of 256 bits, made at the first call and kept in a 0600 file."""
        path = self.secrets / name
        if not path.exists():
            write_private(path, secrets.token_urlsafe(32))
        return path.read_text().strip()

    def write_endpoints(self, endpoints: Endpoints) -> None:
        """Tell the other commands where everything is."""
        write_private(self.endpoints_file, json.dumps(asdict(endpoints)))

    def endpoints(self) -> Endpoints:
        """Where the running platform is.

        Raises:
            Misconfigured: nothing runs on this home.
        """
        try:
            return Endpoints(**json.loads(self.endpoints_file.read_text()))
        except (OSError, ValueError, TypeError) as error:
            raise Misconfigured(f"nothing runs on {self.root}: start it with `iotsphere up`, or set IOTSPHERE_HOME") from error


def write_private(path: Path, text: str) -> None:
    """Write a file of mode 0600 in one step, so that no reader ever sees half of it."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
