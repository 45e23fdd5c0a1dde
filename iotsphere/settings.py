"""All settings, read from IOTSPHERE_… environment variables (nested ones with two underscores). Read only by `launcher`."""

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

_ORIGIN = re.compile(r"https?://[^/\s?#]+\Z", re.IGNORECASE)  # as a browser sends it: no path
Port = Annotated[int, Field(ge=0, le=65535)]


class Settings(BaseSettings):
    """One installation.

    Attributes:
        home: where keys, databases, logs and generated passwords live.
        public_host: names and addresses under which devices and browsers reach this machine (a,b). Empty: loopback only.
        http_port: dashboard and REST; 0 picks a free one, as for every port.
        mqtt_port: MQTT over mutual TLS.
        wss_port: MQTT over WebSocket over mutual TLS.
        wss_origins: of web pages that may use it with the certificate of their visitor (https://a.example,https://b.example:8443).
        edge_port: health and metrics of `edge`, loopback only.
        dsn: PostgreSQL elsewhere; empty runs the embedded one.
        telemetry_dsn: another database for the schema ``telemetry``; empty means the same.
        redis_url: Redis or Valkey elsewhere; empty runs the embedded one.
        retention_days: how long raw readings are kept.
        dead_letter_days, dead_letter_mib: how long what could not be stored is kept, and how much of it in MiB.
        shadow_history_days: how long the revisions of shadows are kept.
        node: name of this machine in presence rows.
        demo_devices: size of the demonstration fleet.
    """

    model_config = SettingsConfigDict(env_prefix="IOTSPHERE_", extra="ignore")

    home: Path = Path(".iotsphere")
    public_host: Annotated[tuple[str, ...], NoDecode] = ()
    http_port: Port = 8080
    mqtt_port: Port = 8883
    wss_port: Port = 8884
    wss_origins: Annotated[tuple[str, ...], NoDecode] = ()
    edge_port: Port = 0
    postgres_port: Port = 0
    valkey_port: Port = 0
    dsn: str = ""
    telemetry_dsn: str = ""
    redis_url: str = ""
    retention_days: Annotated[int, Field(ge=1, le=36500)] = 30
    dead_letter_days: Annotated[int, Field(ge=1, le=3650)] = 30
    dead_letter_mib: Annotated[int, Field(ge=1, le=1 << 20)] = 256
    shadow_history_days: Annotated[int, Field(ge=1, le=36500)] = 90
    node: str = "local"
    demo_devices: Annotated[int, Field(ge=1, le=10_000)] = 10
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    pending_bytes: Annotated[int, Field(ge=1 << 20)] = 64 << 20

    @field_validator("public_host", "wss_origins", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("wss_origins")
    @classmethod
    def _origins(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        for value in values:
            if not _ORIGIN.match(value):
                raise ValueError(f"{value!r} is not an origin such as https://panel.example or http://localhost:3000")
        return tuple(value.lower() for value in values)

    @property
    def bind_host(self) -> str:
        """The address that public listeners bind to: loopback unless a public host is set."""
        return "0.0.0.0" if self.public_host else "127.0.0.1"
