"""Shadows for the API: reads, and changes of the desired section."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import asyncpg

from iotsphere.bus import EventBus
from iotsphere.devices._spec import DeviceType
from iotsphere.errors import PreconditionFailed
from iotsphere.infra.postgres import unavailable_as_ours
from iotsphere.signals import EDGE_WAKE, Signals
from shadow import document, replies
from shadow.cache import ShadowCache
from shadow.conflict import after_conflict
from shadow.document import Document, encode
from shadow.publisher import changed
from shadow.shadow_table import Key, Revision, ShadowTable, Write


@dataclass(frozen=True, slots=True)
class ShadowView:
    """A shadow as callers see it.

    Attributes:
        state: ``desired``, ``reported`` and ``delta``, each only when there is something in it.
        metadata: ``{"timestamp": seconds}`` for every leaf of desired and reported.
        version: of the document.
        timestamp: seconds since the Unix epoch of this version.
    """

    state: dict[str, Any]
    metadata: dict[str, Any]
    version: int
    timestamp: int


class ShadowService:
    """Get and change. Whoever calls has checked that the device may be seen.

    Args:
        types: what desired may hold.
    """

    def __init__(
        self,
        pool: "asyncpg.Pool[asyncpg.Record]",
        cache: ShadowCache,
        bus: EventBus,
        signals: Signals,
        types: Mapping[str, DeviceType],
    ) -> None:
        self._table = ShadowTable(pool)
        self._cache, self._bus, self._signals, self._types = cache, bus, signals, types

    async def get(self, device: str, name: str = "") -> ShadowView | None:
        """The shadow, None when there is none.

        Raises:
            StoreUnavailable: neither Redis nor PostgreSQL can serve it.
        """
        async with unavailable_as_ours():
            found = await self._cache.get((device, name))
        return _view(found) if found is not None and found.exists else None

    async def update_desired(
        self,
        device: str,
        device_type: str,
        organization: str,
        simulated: bool,
        desired: Mapping[str, Any],
        *,
        actor: str,
        version: int | None = None,
        name: str = "",
    ) -> ShadowView:
        """Merge into the desired section; null deletes. Returns the whole document when it is committed.

        Args:
            version: the document version that the caller has seen: holds while desired has not been written since. A device that
                reports meanwhile does no harm.

        Raises:
            InvalidInput: unknown property, wrong value, or too large.
            PreconditionFailed: ``version`` does not hold.
            StoreUnavailable: PostgreSQL is away; whether the change was made is not known.
        """
        if not name and (declared := self._types.get(device_type)) is not None:
            declared.check_desired(desired)
        key = (device, name)
        async with unavailable_as_ours():
            stored = await self._store(key, dict(desired), actor, version)
        await self._cache.put({key: stored})
        await self._signals.send(EDGE_WAKE, device)
        await self._bus.publish(changed(device, organization, simulated, name, stored))
        return _view(stored)

    async def _store(self, key: Key, desired: dict[str, Any], actor: str, version: int | None) -> Document:
        change, attempt = {"desired": desired}, 0
        while True:
            base = (await self._table.load([key])).get(key, Document())
            if version is not None and version > base.version:
                raise PreconditionFailed(f"there is no version {version} yet: the shadow is at {base.version}")
            if version is not None and version < base.desired_version:
                raise PreconditionFailed(f"desired was changed in version {base.desired_version}, after version {version}")
            new = document.update(base, change, int(time.time()))
            revision = Revision(new.version, new.timestamp, actor, encode(change).decode())
            if await self._table.store([Write(key, base.version, new, [revision])]):
                return new
            attempt += 1
            await after_conflict(attempt)


def _view(found: Document) -> ShadowView:
    body = replies.got(found, found.timestamp)
    return ShadowView(body["state"], body["metadata"], found.version, found.timestamp)
