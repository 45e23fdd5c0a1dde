"""What every part of the bench stands on: a running platform with devices, and ten people who look at it."""

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg

from iotsphere.devices import device_types
from iotsphere.devices._spec import DeviceType
from tests.bench import cpu
from tests.bench.child import Child, child
from tests.bench.figures import Figures
from tests.bench.wire import Reading
from tests.support.platform import Platform
from tests.support.waiting import until

DEVICES = 200
POINTS = 5
AGE_MS = 12 * 3_600_000  # readings lie in the past, where no round meets another
ROUND_APART_MS = 600_000
VIEWERS = 10
SERVERS = ("postgres", "valkey", "edge", "cloud")
REST_S = 120.0
# Buckets that have ended some time ago and are not rolled up yet.
_SETTLED = """
select not exists (
    select from telemetry.rollup_dirty
    where bucket < now() - case level when 0 then interval '75 s' when 1 then interval '62 min' else interval '25 h' end
)
"""
DURABLE = ("fsync", "synchronous_commit", "full_page_writes")


@dataclass
class Stage:
    """The running platform, as the parts use it."""

    platform: Platform
    figures: Figures
    certificates: Path
    connection: "asyncpg.Connection[asyncpg.Record]"
    token: str
    devices: list[str] = field(default_factory=list)
    device_type: DeviceType = field(default_factory=lambda: next(iter(device_types().values())))
    saturated_messages_per_s: float = 0.0  # 0: not measured yet
    _next_ms: int = field(default_factory=lambda: int(time.time() * 1000) - AGE_MS)

    @property
    def mqtt_port(self) -> int:
        """Where devices connect."""
        return self.platform.mqtt[1]

    @property
    def readings(self) -> list[Reading]:
        """The first declared measurements of the type, inside their ranges."""
        return [Reading(m.key, m.low or 0.0, m.high or 100.0) for m in self.device_type.measurements[:POINTS]]

    def moment_ms(self) -> int:
        """The first timestamp of another round."""
        self._next_ms += ROUND_APART_MS
        return self._next_ms

    def cpu(self) -> dict[str, float]:
        """CPU seconds of the servers so far."""
        return cpu.snapshot({name: int(self.platform.service(name)["pid"]) for name in SERVERS})

    async def empty(self) -> None:
        """Each round finds the same table."""
        for table in ("telemetry", "rollup_1m", "rollup_1h", "rollup_1d"):  # an aggregate of TimescaleDB goes alone
            await self.connection.execute(f"truncate telemetry.{table}")
        await self.connection.execute("checkpoint")

    async def rest(self) -> None:
        """Wait until the rollups of what was measured before are done: who measures a quiet platform needs one."""
        await until(lambda: self.connection.fetchval(_SETTLED), REST_S)

    async def stored(self) -> int:
        """Rows in the table."""
        return int(await self.connection.fetchval("select count(*) from telemetry.telemetry"))


@asynccontextmanager
async def stage(platform: Platform, figures: Figures, directory: Path) -> AsyncIterator[Stage]:
    """Devices with certificates, and a look at what PostgreSQL promises."""
    figures.say(f"{DEVICES} devices get their certificates …")
    device_type = next(iter(device_types().values()))
    platform.device("bench", device_type.key, directory, "--count", str(DEVICES))
    connection = await asyncpg.connect(platform.telemetry_dsn)
    try:
        for setting in DURABLE:
            figures.check(await connection.fetchval("select current_setting($1)", setting) == "on", f"{setting} is not on")
        names = [f"bench-{number}" for number in range(DEVICES)]
        yield Stage(platform, figures, directory, connection, platform.token(), names, device_type)
    finally:
        await connection.close()


@asynccontextmanager
async def viewers(the: Stage, devices: Sequence[str]) -> AsyncIterator[Child]:
    """Ten Socket.IO clients, half in the room of the fleet, half in that of one device each; all of them must see something."""
    rooms = [f"type:{the.device_type.key}"] * (VIEWERS // 2)
    rooms += [f"device:{device}" for device in devices[: VIEWERS - len(rooms)]]
    async with child("tests.bench.viewers", {"url": the.platform.http, "token": the.token, "rooms": list(rooms)}) as watching:
        await watching.at("joined")
        yield watching
        seen = await watching.finish()
    the.figures.check(not seen["silent"], f"nothing came in the rooms {seen['silent']}")
