"""Certificates for the command line: list, revoke, issue for services and anew for devices."""

from datetime import datetime
from pathlib import Path
from typing import Any

from certs.authority import Authority
from certs.issue import Issued, issue_client, write_client
from cloud_api.domain.organizations import table as organizations
from cloud_api.tenancy import Connection
from iotsphere.errors import InvalidInput, NotFound
from iotsphere.identity import identity
from iotsphere.infra.valkey_signals import nudge
from iotsphere.signals import EDGE_REGISTRY
from launcher import certificate_table, enrol_table
from launcher.enrol import Enrolment, renew


async def listed(connection: Connection, subject: str | None) -> list[dict[str, Any]]:
    """All certificates, or those of one subject, newest first, times in ISO 8601."""
    rows = await certificate_table.every(connection, subject)
    return [{k: v.isoformat() if isinstance(v, datetime) else v for k, v in row.items()} for row in rows]


async def revoke(connection: Connection, redis_url: str, name: str, reason: str) -> int:
    """Revoke one serial or all certificates of a subject, and tell `edge`; how many there were.

    Raises:
        NotFound: there is no such certificate.
    """
    subjects = await certificate_table.revoke(connection, name, reason)
    if not subjects:
        raise NotFound(f"no certificate or device {name} that is not revoked already")
    await nudge(redis_url, EDGE_REGISTRY, sorted(set(subjects)))  # its own sweep finds it too, a moment later
    return len(subjects)


async def issue_device(connection: Connection, redis_url: str, authority: Authority, device: str) -> tuple[Issued, str]:
    """Another certificate for a registered device, and the device's type. Earlier ones stay valid until they are revoked.

    Raises:
        NotFound: there is no such device.
        Conflict: it is retired.
    """
    found = await enrol_table.find(connection, device)
    if found is None:
        raise NotFound(f"there is no device {device}")
    device_type, organization, kind = found
    (issued,) = await renew(connection, authority, Enrolment([device], device_type, organization, kind == "simulated"))
    await nudge(redis_url, EDGE_REGISTRY, [device])
    return issued, device_type


async def issue_service(connection: Connection, authority: Authority, id: str, organization: str, out: Path) -> None:  # noqa: A002 - the field's name
    """Issue and record a service's certificate and write its files.

    Raises:
        InvalidInput: a malformed id, no such organization, or the id is a device's.
    """
    issued = issue_client(authority, identity(organization, "service", id))
    if await enrol_table.existing(connection, [id]):
        raise InvalidInput("id", f"{id} is a device")
    await organizations.require(connection, organization)
    await enrol_table.insert_certificates(connection, [id], [issued], organization, "service")
    write_client(issued, authority, out, id)
