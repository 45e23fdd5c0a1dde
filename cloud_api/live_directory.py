"""What the live side must know of a device: whose it is and of which type. From memory, refreshed by what has changed."""

import time
from collections.abc import Iterable
from dataclasses import dataclass

import structlog

from cloud_api.errors import AWAY
from cloud_api.tenancy import Pool

OVERLAP_S = 10.0
_SELECT = "select id, organization_id, device_type, kind = 'simulated' from registry.devices"
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Entry:
    """Who may hear of a device."""

    organization: str
    device_type: str
    simulated: bool


class Directory:
    """Device → Entry."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._entries: dict[str, Entry] = {}
        self._absent: set[str] = set()
        self._swept = time.time() - OVERLAP_S

    async def find(self, devices: Iterable[str]) -> dict[str, Entry]:
        """The devices that exist. While the database is away, those that are known already."""
        wanted = set(devices)
        missing = wanted - self._entries.keys() - self._absent
        if missing:
            await self._load(f"{_SELECT} where id = any($1)", sorted(missing))
            self._absent |= missing - self._entries.keys()
        return {device: self._entries[device] for device in wanted if device in self._entries}

    async def sweep(self) -> None:
        """Read what has changed since the last sweep, with an overlap for clocks and commits that come late."""
        began = time.time()
        if await self._load(f"{_SELECT} where changed_at > to_timestamp($1)", self._swept - OVERLAP_S):
            self._swept = began
        self._absent.clear()

    async def _load(self, query: str, argument: object) -> bool:
        try:
            async with self._pool.acquire(timeout=2.0) as connection:
                rows = await connection.fetch(query, argument, timeout=5.0)
        except AWAY as error:
            _log.warning("live_directory_unavailable", error=repr(error))
            return False
        self._entries.update({row[0]: Entry(row[1], row[2], row[3]) for row in rows})
        return True
