"""Shadows for the API: reads, and changes of the desired section."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import asyncpg

from iotsphere.bus import EventBus
from iotsphere.devices._spec import DeviceType
from iotsphere.errors import Conflict, NotFound
from iotsphere.infra.postgres import unavailable_as_ours
from iotsphere.signals import EDGE_WAKE, Signals
from shadow import difference, document, history
from shadow.cache import ShadowCache
from shadow.conflict import Turns, after_conflict
from shadow.document import Document, encode
from shadow.expectation import ANY, Expectation
from shadow.history import DELETION
from shadow.plan import MAX_NAMED
from shadow.publisher import changed
from shadow.shadow_table import Key, ShadowTable, Write
from shadow.view import Listed, ShadowView, view

Step = Callable[[Document, float], tuple[Document, str]]
"""From a document and a moment to the next version and what it was asked for, as JSON."""


@dataclass(frozen=True, slots=True)
class Target:
    """The device whose shadow is changed, as the registry has it, and which of its shadows: "" is the classic one."""

    device: str
    device_type: str
    organization: str
    simulated: bool
    name: str = ""

    @property
    def key(self) -> Key:
        """Of the document."""
        return self.device, self.name


class ShadowService:
    """Get, change, delete. Whoever calls has checked that the device may be seen.

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
        self._turns = Turns()

    async def get(self, device: str, name: str = "") -> ShadowView | None:
        """The shadow, None when there never was one; one that was deleted is empty and has a version.

        Raises:
            StoreUnavailable: neither Redis nor PostgreSQL can serve it.
        """
        async with unavailable_as_ours():
            found = await self._cache.get((device, name))
        return None if found is None else view(found)

    async def names(self, device: str) -> list[Listed]:
        """The shadows that a device has.

        Raises:
            StoreUnavailable: PostgreSQL is away.
        """
        async with unavailable_as_ours():
            return [Listed(*row) for row in await self._table.names(device)]

    async def update_desired(
        self,
        target: Target,
        desired: Mapping[str, Any],
        *,
        actor: str,
        expected: Expectation = ANY,
        replace: bool = False,
    ) -> ShadowView:
        """Merge into the desired section, where null deletes, or replace it. Returns the whole document when it is committed.

        Raises:
            InvalidInput: unknown property, wrong value, or too large.
            PreconditionFailed, Conflict: the document is not as expected.
            StoreUnavailable: PostgreSQL is away; whether the change was made is not known.
        """
        if not target.name and (declared := self._types.get(target.device_type)) is not None:
            declared.check_desired(desired)

        def step(base: Document, now: float) -> tuple[Document, str]:
            whole = document.merge({}, desired)  # in a replacement null means absent
            patch = difference.patch_to(base.desired or {}, whole) if replace else dict(desired)
            change = {"desired": patch}
            return document.update(base, change, now, editor=actor), encode(change).decode()

        return await self._commit(target, step, actor, expected)

    async def delete(self, target: Target, *, actor: str, expected: Expectation = ANY) -> ShadowView:
        """Remove the document; its version counts on.

        Raises:
            NotFound: there is none.
            PreconditionFailed, Conflict: the document is not as expected.
            StoreUnavailable: PostgreSQL is away; whether the change was made is not known.
        """

        def step(base: Document, now: float) -> tuple[Document, str]:
            if not base.exists:
                raise NotFound(f"{target.device} has no such shadow")
            return document.delete(base, now), DELETION

        return await self._commit(target, step, actor, expected)

    async def _commit(self, target: Target, step: Step, actor: str, expected: Expectation) -> ShadowView:
        async with unavailable_as_ours():
            stored = await self._store(target.key, step, actor, expected)
        await self._signals.send(EDGE_WAKE, target.device)  # first of all: a device may be waiting
        await self._cache.put({target.key: stored})
        await self._bus.publish(changed(target.device, target.organization, target.simulated, target.name, stored))
        return view(stored)

    async def _store(self, key: Key, step: Step, actor: str, expected: Expectation) -> Document:
        attempt = 0
        async with self._turns.of(key):
            while True:
                base = (await self._table.load([key])).get(key, Document())
                expected.check(base)
                await self._check_room(key, base)
                now = round(time.time(), 3)
                new, asked = step(base, now)
                revision = history.revision(new, now, actor, asked)
                await self._cache.expect({key: new.version})
                if await self._table.store([Write(key, base.version, new, [revision])]):
                    return new
                attempt += 1
                await after_conflict(attempt)

    async def _check_room(self, key: Key, base: Document) -> None:
        if base.version or not key[1]:
            return
        if (await self._table.named_of([key[0]])).get(key[0], 0) >= MAX_NAMED:
            raise Conflict(f"a device may have {MAX_NAMED} named shadows")
