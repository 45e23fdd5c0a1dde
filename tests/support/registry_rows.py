"""Rows of registry.devices and registry.certificates for tests."""

from typing import TypeAlias

import asyncpg

from certs.issue import Issued

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | asyncpg.Pool[asyncpg.Record]"


async def add_fleet(connection: Connection, prefix: str, count: int) -> None:
    """Registered devices of no declared type, PREFIX1 to PREFIXcount, in one statement."""
    await connection.execute(
        "insert into registry.devices (id, device_key, device_type, manufacturer, organization_id, kind)"
        " select $1::text || n, 'key', '', 'test', 'default', 'device' from generate_series(1, $2::int) n",
        prefix, count,
    )  # fmt: skip


async def add_device(
    connection: Connection,
    id: str,
    *,
    organization: str = "default",
    kind: str = "device",
    status: str = "registered",
    device_type: str = "water_heater",
    certificate: Issued | None = None,
) -> None:
    """A registered device, and its certificate."""
    await connection.execute(
        "insert into registry.devices (id, device_key, device_type, manufacturer, status, organization_id, kind)"
        " values ($1, $2, $3, 'test', $4, $5, $6)",
        id, certificate.fingerprint if certificate else "key", device_type, status, organization, kind,
    )  # fmt: skip
    if certificate is not None:
        await connection.execute(
            "insert into registry.certificates (serial, subject_id, kind, organization_id, fingerprint, not_after)"
            " values ($1, $2, $3, $4, $5, $6)",
            certificate.serial, id, kind, organization, certificate.fingerprint, certificate.not_after,
        )  # fmt: skip
