"""What the brokers read of registry.devices and registry.certificates."""

import sys
from collections.abc import AsyncIterator, Collection

import asyncpg

from iotsphere.infra.postgres import Connection
from iotsphere.registry import DeviceRecord

DEVICES = "select id, organization_id, device_type, kind, status from registry.devices"
PAGE = 2_000
Revoked = tuple[str, str]  # serial, whom it was issued to


async def every_device(connection: Connection) -> AsyncIterator[DeviceRecord]:
    """All of them, read in pages, so that the event loop breathes."""
    async with connection.transaction():
        async for row in connection.cursor(DEVICES, prefetch=PAGE):
            yield _record(row)


async def every_revoked(connection: Connection) -> list[Revoked]:
    """Revoked certificates that would still be valid otherwise."""
    rows = await connection.fetch(
        "select serial, subject_id from registry.certificates where revoked_at is not null and not_after > now()"
    )
    return [(row[0], row[1]) for row in rows]


async def changed(connection: Connection, seconds: float) -> list[DeviceRecord]:
    """Devices that were changed in the last ``seconds``."""
    rows = await connection.fetch(DEVICES + " where changed_at > now() - make_interval(secs => $1)", seconds)
    return [_record(row) for row in rows]


async def newly_revoked(connection: Connection, seconds: float) -> list[Revoked]:
    """Certificates that were revoked in the last ``seconds``."""
    rows = await connection.fetch(
        "select serial, subject_id from registry.certificates where revoked_at > now() - make_interval(secs => $1)", seconds
    )
    return [(row[0], row[1]) for row in rows]


async def some(connection: Connection, devices: Collection[str]) -> list[DeviceRecord]:
    """Those of the given devices that exist."""
    return [_record(row) for row in await connection.fetch(DEVICES + " where id = any($1)", list(devices))]


async def revoked_of(connection: Connection, subjects: Collection[str]) -> list[Revoked]:
    """The revoked certificates of devices and services."""
    rows = await connection.fetch(
        "select serial, subject_id from registry.certificates where subject_id = any($1) and revoked_at is not null",
        list(subjects),
    )
    return [(row[0], row[1]) for row in rows]


def _record(row: asyncpg.Record) -> DeviceRecord:
    # A hundred thousand devices share few organizations, types, kinds and states: one string each.
    return DeviceRecord(row[0], *(sys.intern(text) for text in row[1:]))
