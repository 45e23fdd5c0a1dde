"""Rows of registry.devices and registry.certificates for tests."""

import asyncpg

from certs.issue import Issued


async def add_device(
    connection: "asyncpg.Connection[asyncpg.Record] | asyncpg.Pool[asyncpg.Record]",
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
