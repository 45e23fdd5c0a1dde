"""What `edge` is told."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeOptions:
    """Made from the settings by whoever starts `edge`.

    Attributes:
        dsn: PostgreSQL.
        telemetry_dsn: database of the schema ``telemetry``; empty means the same.
        certificate, key: of the MQTT listener; ca: whom clients' certificates must come from.
        data: a directory on the disk whose free space is watched.
        host, mqtt_port: where MQTT listens; port 0 picks a free one.
        wss_port: where MQTT over WebSocket listens on the same host, likewise.
        wss_origins: of web pages that may use it.
        http_port: health and metrics, always on loopback; 0 picks a free one.
        node: name of this machine in presence rows.
        retention_days: how long raw readings are kept.
        letter_days, letter_bytes: how long, and how many bytes of, dead letters are kept.
        shadow_history_days: how long the revisions of shadows are kept.
        pending_bytes: payloads that may wait for their commit, over all connections.
        on_ready: told the ports of MQTT, of MQTT over WebSocket, and of HTTP once devices may connect.
    """

    dsn: str
    redis_url: str
    certificate: Path
    key: Path
    ca: Path
    data: Path
    telemetry_dsn: str = ""
    host: str = "127.0.0.1"
    mqtt_port: int = 8883
    wss_port: int = 8884
    wss_origins: frozenset[str] = frozenset()
    http_port: int = 0
    node: str = "local"
    retention_days: int = 30
    letter_days: int = 30
    letter_bytes: int = 256 << 20
    shadow_history_days: int = 90
    pending_bytes: int = 64 << 20
    on_ready: Callable[[int, int, int], None] | None = None

    @property
    def telemetry(self) -> str:
        """The DSN of the schema ``telemetry``."""
        return self.telemetry_dsn or self.dsn
