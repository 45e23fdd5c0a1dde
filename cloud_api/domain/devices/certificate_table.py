"""SQL of registry.certificates."""

from certs.issue import Issued
from cloud_api.domain.devices.schemas import CertificateView
from cloud_api.domain.devices.table import DeviceRow
from cloud_api.tenancy import Connection


async def insert(connection: Connection, device: DeviceRow, issued: Issued) -> None:
    """Record a new certificate."""
    await connection.execute(
        """insert into registry.certificates (serial, subject_id, kind, organization_id, fingerprint, not_after)
           values ($1, $2, $3, $4, $5, $6)""",
        issued.serial, device.id, device.kind, device.organization, issued.fingerprint, issued.not_after,
    )  # fmt: skip


async def of_device(connection: Connection, device: str) -> list[CertificateView]:
    """The device's certificates, newest first."""
    rows = await connection.fetch(
        """select serial, fingerprint, issued_at, not_after, revoked_at, revoked_reason from registry.certificates
           where subject_id = $1 and kind <> 'service' order by issued_at desc""",
        device,
    )
    return [CertificateView(**row) for row in rows]


async def revoke(connection: Connection, device: str, serial: str, reason: str) -> bool:
    """Revoke one; True also when it was revoked before, which stays as it was. False when there is none."""
    found = await connection.fetchval(
        """update registry.certificates set revoked_at = coalesce(revoked_at, clock_timestamp()),
                  revoked_reason = coalesce(revoked_reason, $3)
           where subject_id = $1 and serial = $2 and kind <> 'service' returning serial""",
        device, serial, reason,
    )  # fmt: skip
    return found is not None


async def revoke_all(connection: Connection, device: str, reason: str) -> None:
    """Revoke whatever the device could still connect with."""
    await connection.execute(
        """update registry.certificates set revoked_at = clock_timestamp(), revoked_reason = $2
           where subject_id = $1 and kind <> 'service' and revoked_at is null""",
        device, reason,
    )  # fmt: skip
