"""SQL of registry.certificates for the command line."""

from datetime import datetime
from typing import Any

from cloud_api.tenancy import Connection


async def every(connection: Connection, subject: str | None) -> list[dict[str, Any]]:
    """All certificates, or those of one subject, newest first."""
    rows = await connection.fetch(
        """select serial, subject_id, kind, organization_id as organization, issued_at, not_after, revoked_at, revoked_reason
           from registry.certificates where $1::text is null or subject_id = $1 order by issued_at desc, serial""",
        subject,
    )
    return [dict(row) for row in rows]


async def revoke(connection: Connection, name: str, reason: str) -> list[str]:
    """Revoke a serial, or all certificates of a subject; the subject of each that was not revoked before."""
    rows = await connection.fetch(
        """update registry.certificates set revoked_at = clock_timestamp(), revoked_reason = $2
           where (subject_id = $1 or serial = lower($1)) and revoked_at is null returning subject_id""",
        name, reason,
    )  # fmt: skip
    return [row["subject_id"] for row in rows]


async def revoked(connection: Connection) -> list[tuple[str, datetime]]:
    """Serial and time of each revoked certificate that is still within its validity."""
    rows = await connection.fetch(
        "select serial, revoked_at from registry.certificates where revoked_at is not null and not_after > now() order by 2, 1"
    )
    return [(row["serial"], row["revoked_at"]) for row in rows]
