"""All SQL of shadow.documents, and the revisions that a stored document brings along."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg

from iotsphere.infra.postgres import columns
from shadow.document import Document, decode, encode
from shadow.history import Revision

Key = tuple[str, str]
"""Device id and shadow name, "" for the classic one."""
FIRST: Key = ("", "")

_SELECT = """
select device_id, name, version, desired, reported, metadata, desired_version, reported_version, deleted, pending,
       extract(epoch from updated_at)::bigint as timestamp
from shadow.documents
"""
_LOAD = f"{_SELECT} join unnest($1::text[], $2::text[]) as k (device_id, name) using (device_id, name)"
_OF_DEVICES = f"{_SELECT} where device_id = any($1::text[])"
_NAMED_OF = """
select device_id, count(*) from shadow.documents where device_id = any($1::text[]) and name <> '' group by device_id
"""
_NAMES = """
select name, version, floor(extract(epoch from updated_at))::bigint from shadow.documents
where device_id = $1 and not deleted order by name
"""
_DUE_OF = f"{_SELECT} where announced_version < version and device_id = any($1::text[])"
_DUE = f"{_SELECT} where announced_version < version and (device_id, name) > ($1, $2) order by device_id, name limit $3"
_VERSIONS = """
select device_id, name, version from shadow.documents where (device_id, name) > ($1, $2) order by device_id, name limit $3
"""
_ANNOUNCED = """
update shadow.documents d set announced_version = a.version
from unnest($1::text[], $2::text[], $3::bigint[]) as a (device_id, name, version)
where d.device_id = a.device_id and d.name = a.name and d.announced_version < a.version
"""
# One statement for many documents: either a document's new version is stored with its revisions, or nothing of it.
# The rows are locked in one order first, so that two writers of the same devices wait for each other and do not deadlock.
_STORE = """
with wanted as (
    select * from unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::json[], $6::json[], $7::json[],
                         $8::bigint[], $9::bigint[], $10::boolean[], $11::float8[], $12::json[], $13::float8[], $14::boolean[])
    as t (device_id, name, base, version, desired, reported, metadata, desired_version, reported_version, deleted, timestamp,
          pending, pending_since, announced)
), locked as materialized (
    select d.device_id, d.name, d.version as found, w.base, w.version, w.desired, w.reported, w.metadata,
           w.desired_version, w.reported_version, w.deleted, w.timestamp, w.pending, w.pending_since, w.announced
    from shadow.documents d join wanted w on d.device_id = w.device_id and d.name = w.name
    where w.base > 0 order by d.device_id, d.name for update of d
), changed as (
    update shadow.documents d
    set version = l.version, desired = l.desired, reported = l.reported, metadata = l.metadata,
        desired_version = l.desired_version, reported_version = l.reported_version,
        deleted = l.deleted, updated_at = to_timestamp(l.timestamp), pending = l.pending,
        pending_since = to_timestamp(l.pending_since),
        announced_version = case when l.announced then l.version else d.announced_version end
    from locked l
    where d.device_id = l.device_id and d.name = l.name and l.found = l.base and d.version = l.base
    returning d.device_id, d.name
), added as (
    insert into shadow.documents
        (device_id, name, version, desired, reported, metadata, desired_version, reported_version, deleted, updated_at,
         pending, pending_since, announced_version)
    select device_id, name, version, desired, reported, metadata, desired_version, reported_version, deleted,
           to_timestamp(timestamp), pending, to_timestamp(pending_since), case when announced then version else 0 end
    from wanted where base = 0 order by device_id, name
    on conflict (device_id, name) do nothing
    returning device_id, name
), won as (
    select * from changed union all select * from added
), kept as (
    insert into shadow.revisions (device_id, name, version, at, actor, update, snapshot)
    select device_id, name, r.version, to_timestamp(r.at), r.actor, r.update, r.snapshot
    from unnest($15::text[], $16::text[], $17::bigint[], $18::float8[], $19::text[], $20::json[], $21::json[])
        as r (device_id, name, version, at, actor, update, snapshot)
    join won using (device_id, name)
)
select device_id, name from won
"""


@dataclass(frozen=True, slots=True)
class Write:
    """A document's way from the version it was loaded with to the one to store, at least one revision further.

    Attributes:
        announced: nobody needs to hear of it.
    """

    key: Key
    base: int
    document: Document
    revisions: Sequence[Revision]
    announced: bool = False


class ShadowTable:
    """Reads and writes. Every method raises what asyncpg raises; see iotsphere.infra.postgres.AWAY."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
        self._pool = pool

    async def load(self, keys: Collection[Key]) -> dict[Key, Document]:
        """The documents of these keys that ever existed."""
        return _documents(await self._pool.fetch(_LOAD, *columns(keys, 2)))

    async def of_devices(self, devices: Sequence[str]) -> dict[Key, Document]:
        """All documents of these devices."""
        return _documents(await self._pool.fetch(_OF_DEVICES, devices))

    async def named_of(self, devices: Collection[str]) -> dict[str, int]:
        """How many named shadows each of these devices has or had."""
        return {row[0]: row[1] for row in await self._pool.fetch(_NAMED_OF, list(devices))}

    async def names(self, device: str) -> list[tuple[str, int, int]]:
        """Name, version and timestamp of the shadows that a device has, "" for the classic one."""
        return [tuple(row) for row in await self._pool.fetch(_NAMES, device)]

    async def due(self, after: Key = FIRST, limit: int = 500) -> dict[Key, Document]:
        """Documents whose newest version has not been announced, in the order of their keys."""
        return _documents(await self._pool.fetch(_DUE, *after, limit))

    async def due_of(self, devices: Sequence[str]) -> dict[Key, Document]:
        """Documents of these devices whose newest version has not been announced."""
        return _documents(await self._pool.fetch(_DUE_OF, devices))

    async def versions(self, after: Key = FIRST, limit: int = 1000) -> list[tuple[str, str, int]]:
        """Device, name and version of all documents, page by page."""
        return [tuple(row) for row in await self._pool.fetch(_VERSIONS, *after, limit)]

    async def store(self, writes: Sequence[Write]) -> set[Key]:
        """Store each document if its version is still the base, with its revisions; returns the keys that were stored."""
        documents = [_values(write) for write in writes]
        revisions = [(*write.key, r.version, r.at, r.actor, r.update, r.snapshot) for write in writes for r in write.revisions]
        return {tuple(row) for row in await self._pool.fetch(_STORE, *columns(documents, 14), *columns(revisions, 7))}

    async def announced(self, versions: Collection[tuple[str, str, int]]) -> None:
        """Note that everything up to these versions was announced."""
        if versions:
            await self._pool.execute(_ANNOUNCED, *columns(versions, 3))


def _values(write: Write) -> tuple[object, ...]:
    d = write.document
    return (
        *write.key, write.base, d.version, _text(d.desired), _text(d.reported), _text(d.metadata),
        d.desired_version, d.reported_version, d.deleted, float(d.timestamp),
        _text(d.pending or None), min(d.pending.values(), default=None), write.announced,
    )  # fmt: skip


def _text(value: object) -> str | None:
    return None if value is None else encode(value).decode()


def _documents(rows: Iterable["asyncpg.Record"]) -> dict[Key, Document]:
    return {(row["device_id"], row["name"]): _document(row) for row in rows}


def _document(row: "asyncpg.Record") -> Document:
    return Document(
        version=row["version"],
        desired=_section(row["desired"]),
        reported=_section(row["reported"]),
        metadata=decode(row["metadata"]),
        desired_version=row["desired_version"],
        reported_version=row["reported_version"],
        deleted=row["deleted"],
        timestamp=row["timestamp"],
        pending=_section(row["pending"]) or {},
    )


def _section(text: str | None) -> dict[str, Any] | None:
    return None if text is None else decode(text)
