"""State of the installation."""

from collections.abc import Callable

from cloud_api.domain.system.schemas import Readiness, SystemView
from cloud_api.errors import AWAY
from cloud_api.parts import SystemStatus
from cloud_api.tenancy import Pool

PING_S = 2.0


class System:
    """Answers the probes and /system/status."""

    def __init__(self, pool: Pool, status: SystemStatus, bus_ok: Callable[[], bool]) -> None:
        self._pool, self._status, self._bus_ok = pool, status, bus_ok

    async def view(self) -> SystemView:
        """Everything that the dashboard shows of it."""
        known = await self._status()
        here = await self.readiness()
        return SystemView(
            ready=bool(known.get("ready")) and here.status == "ok",
            services=dict(known.get("services", {})),
            disk=dict(known.get("disk", {})),
            version=str(known.get("version", "")),
            bus_ok=here.bus,
            live="ok" if here.bus else "interrupted",
        )

    async def readiness(self) -> Readiness:
        """Which neighbours answer. Without the bus only live values are missing, but then they are."""
        database, bus = await self._database_answers(), self._bus_ok()
        return Readiness("ok" if database and bus else "unavailable", database, bus)

    async def _database_answers(self) -> bool:
        try:
            async with self._pool.acquire(timeout=PING_S) as connection:
                return bool(await connection.fetchval("select true", timeout=PING_S))
        except AWAY:
            return False
