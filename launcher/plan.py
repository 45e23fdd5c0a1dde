"""What `iotsphere up` runs, worked out of the settings: ports, addresses, programs, in the order of their start."""

import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from iotsphere.settings import Settings
from launcher import probes
from launcher.embedded.postgres import EmbeddedPostgres, wrapped
from launcher.embedded.valkey import EmbeddedValkey
from launcher.home import LOOPBACK, Endpoints, Home
from launcher.ourselves import ourselves
from launcher.ports import claim_all
from launcher.service import Ladder, Program

FAST_THEN_IMMEDIATE: Ladder = ((signal.SIGINT, 30.0), (signal.SIGQUIT, 10.0), (signal.SIGKILL, 5.0))
POSTGRES_SILENCE_S = 300.0  # it may be busy with its recovery: killing it would begin that anew


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything that `up` decides before it starts anything.

    Attributes:
        postgres: None when the database is somebody else's.
        valkey: None when Redis is somebody else's.
        mqtt_port, wss_port, http_port, edge_port: claimed, never 0; they stay the same for restarts of the programs.
    """

    home: Home
    settings: Settings
    postgres: EmbeddedPostgres | None
    valkey: EmbeddedValkey | None
    mqtt_port: int
    wss_port: int
    http_port: int
    edge_port: int

    @property
    def dsn(self) -> str:
        """The database."""
        return self.postgres.dsn if self.postgres else self.settings.dsn

    @property
    def redis_url(self) -> str:
        """Redis or Valkey."""
        return self.valkey.url if self.valkey else self.settings.redis_url

    @property
    def endpoints(self) -> Endpoints:
        """Where everything is reached."""
        return Endpoints.of(self.settings.model_copy(update=self.decided))

    @property
    def decided(self) -> dict[str, Any]:
        """The fields of the settings that were left open, or may have been."""
        return {
            "dsn": self.dsn,
            "redis_url": self.redis_url,
            "mqtt_port": self.mqtt_port,
            "wss_port": self.wss_port,
            "http_port": self.http_port,
            "edge_port": self.edge_port,
        }


def make_plan(settings: Settings, home: Home) -> Plan:
    """Claim ports and generate what is missing of the passwords.

    Raises:
        PortTaken: names the setting.
    """
    ports = claim_all(settings)
    return Plan(
        home=home,
        settings=settings,
        postgres=_postgres(home, ports.pop("postgres_port", None)),
        valkey=_valkey(home, ports.pop("valkey_port", None)),
        **ports,
    )


def _postgres(home: Home, port: int | None) -> EmbeddedPostgres | None:
    return None if port is None else EmbeddedPostgres(home.postgres, home.secret("postgres-password"), port)


def _valkey(home: Home, port: int | None) -> EmbeddedValkey | None:
    return None if port is None else EmbeddedValkey(home.valkey, home.secret("valkey-password"), port)


def stores(plan: Plan) -> list[Program]:
    """PostgreSQL and Valkey, as far as they are ours."""
    found = []
    if plan.postgres:
        found.append(postgres_program(plan.home, plan.postgres))
    if plan.valkey:
        found.append(valkey_program(plan.home, plan.valkey))
    return found


def postgres_program(home: Home, server: EmbeddedPostgres) -> Program:
    """The embedded PostgreSQL."""

    def before() -> None:
        server.wait_for_orphans()
        server.prepare()

    return Program(
        name="postgres", command=server.command(), log=_log(home, "postgres"), probe=probes.postgres(server.admin_dsn),
        before=before, stopping=FAST_THEN_IMMEDIATE, start_s=300.0, silence_s=POSTGRES_SILENCE_S,
    )  # fmt: skip


def valkey_program(home: Home, server: EmbeddedValkey) -> Program:
    """The embedded Valkey."""

    def before() -> None:
        server.wait_for_orphans()
        server.prepare()

    return Program(
        name="valkey", command=server.command(), log=_log(home, "valkey"), probe=probes.valkey(server.url), before=before,
    )  # fmt: skip


def services(plan: Plan) -> list[Program]:
    """The platform itself."""
    cloud = f"http://{LOOPBACK}:{plan.http_port}/health/ready"
    return [
        own(plan, "edge", probes.http(f"{plan.endpoints.edge}/health/ready")),
        own(plan, "cloud", probes.http(cloud)),
    ]


def demo(plan: Plan) -> Program:
    """The demonstration fleet."""
    return own(plan, "demo", probes.runs)


def own(plan: Plan, name: str, probe: probes.Probe) -> Program:
    """`iotsphere run NAME` as a child that is killed when we die: nothing that was acknowledged is lost by that."""
    return Program(
        name=name,
        command=wrapped([*ourselves(), "run", name], None, "SIGKILL"),
        environment=environment(plan),
        log=_log(plan.home, name),
        probe=probe,
    )


def environment(plan: Plan) -> Mapping[str, str]:
    """The settings of the children, with everything decided."""
    return {
        "IOTSPHERE_HOME": str(plan.home.root),
        **{f"IOTSPHERE_{name.upper()}": str(value) for name, value in plan.decided.items()},
        "PYTHONUNBUFFERED": "1",
    }


def _log(home: Home, name: str) -> Path:
    return home.logs / f"{name}.log"
