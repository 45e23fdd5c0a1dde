"""Shadows as they were: at a moment, in a version, and who changed what."""

from collections.abc import Sequence
from datetime import UTC, datetime

import asyncpg

from iotsphere.errors import NotFound
from iotsphere.infra.postgres import unavailable_as_ours
from shadow.history import Revision, rebuild
from shadow.revision_table import RevisionTable
from shadow.shadow_table import Key
from shadow.view import ShadowView, view

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
NEWEST = (1 << 63) - 1


class Archive:
    """Reads revisions. Whoever calls has checked that the device may be seen, and since when."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
        self._table = RevisionTable(pool)

    async def revision(self, key: Key, version: int, since: datetime = BEGINNING) -> ShadowView:
        """The shadow in a version.

        Raises:
            NotFound: there was no such version, or it is not kept any more, or it was made before ``since``.
            StoreUnavailable: PostgreSQL is away.
        """
        async with unavailable_as_ours():
            revisions = await self._table.up_to(key, version)
        if not revisions or revisions[-1].at < since.timestamp():
            raise NotFound(f"version {version} does not exist, or is not kept any more")
        return view(rebuild(revisions))

    async def at(self, key: Key, moment: datetime, since: datetime = BEGINNING) -> ShadowView:
        """The shadow as it was at a moment.

        Raises:
            NotFound: there was none then, or it is not kept any more.
            StoreUnavailable: PostgreSQL is away.
        """
        async with unavailable_as_ours():
            version = await self._table.version_at(key, moment)
        if version is None:
            raise NotFound(f"there was no shadow at {moment.isoformat()}, or it is not kept any more")
        return await self.revision(key, version, since)

    async def page(self, key: Key, limit: int, *, before: int | None = None, since: datetime = BEGINNING) -> Sequence[Revision]:
        """Revisions, newest first.

        Args:
            before: only versions below this one.

        Raises:
            StoreUnavailable: PostgreSQL is away.
        """
        async with unavailable_as_ours():
            return await self._table.page(key, NEWEST if before is None else before, since, limit)
