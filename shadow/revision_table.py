"""All reads of shadow.revisions, and its end: writing them is part of storing a document (shadow_table.py)."""

from collections.abc import Sequence
from datetime import datetime

import asyncpg

from shadow.history import SNAPSHOT_EVERY, Revision
from shadow.shadow_table import Key

FORGET = """
with kept as (  -- the newest old snapshot stays: what was within the time that is kept is rebuilt from it
    select device_id, name, max(version) as version from shadow.revisions
    where snapshot is not null and at < now() - make_interval(days => $1) group by device_id, name
)
delete from shadow.revisions where ctid = any(array(
    select r.ctid from shadow.revisions r join kept k using (device_id, name) where r.version < k.version limit $2))
"""
_COLUMNS = "version, extract(epoch from at)::float8, actor, update, snapshot"
# From the last snapshot up to the version, one after the other.
_UP_TO = f"""
select {_COLUMNS} from shadow.revisions
where device_id = $1 and name = $2 and version <= $3 and version >= (
    select max(version) from shadow.revisions
    where device_id = $1 and name = $2 and version <= $3 and version > $3 - {SNAPSHOT_EVERY} and snapshot is not null)
order by version
"""  # noqa: S608 - made of constants
_VERSION_AT = f"""
select max(r.version) from shadow.revisions r, (
    select version from shadow.revisions
    where device_id = $1 and name = $2 and snapshot is not null and at <= $3 order by at desc limit 1) s
where r.device_id = $1 and r.name = $2 and r.at <= $3 and r.version >= s.version and r.version < s.version + {SNAPSHOT_EVERY}
"""  # noqa: S608 - made of constants
_PAGE = f"""
select {_COLUMNS} from shadow.revisions
where device_id = $1 and name = $2 and version < $3 and at >= $4 order by version desc limit $5
"""  # noqa: S608 - made of constants


class RevisionTable:
    """Every method raises what asyncpg raises; see iotsphere.infra.postgres.AWAY."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
        self._pool = pool

    async def up_to(self, key: Key, version: int) -> list[Revision]:
        """The revisions that rebuild this version, the first with a snapshot; none when it is not kept, or never was."""
        found = [Revision(*row) for row in await self._pool.fetch(_UP_TO, *key, version)]
        return found if found and found[-1].version == version else []

    async def version_at(self, key: Key, at: datetime) -> int | None:
        """The version that was the newest at that moment, None when it is not kept, or there was none."""
        found: int | None = await self._pool.fetchval(_VERSION_AT, *key, at)
        return found

    async def page(self, key: Key, before: int, since: datetime, limit: int) -> Sequence[Revision]:
        """The newest revisions of versions below ``before`` that were made since a moment."""
        return [Revision(*row) for row in await self._pool.fetch(_PAGE, *key, before, since, limit)]
