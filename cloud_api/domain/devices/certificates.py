"""Certificates of devices: make, list, revoke."""

import io
import zipfile

from certs.authority import Authority
from certs.issue import Issued, issue_client
from cloud_api.auth import Principal
from cloud_api.domain.devices import certificate_table, table
from cloud_api.domain.devices.connect import Connect, readme
from cloud_api.domain.devices.schemas import CertificateView
from cloud_api.domain.devices.service import found
from cloud_api.domain.devices.table import DeviceRow
from cloud_api.tenancy import Tenancy
from iotsphere.errors import Conflict, NotFound
from iotsphere.identity import identity
from iotsphere.signals import EDGE_REGISTRY, Signals


class Certificates:
    """Issues through the installation's authority and records in the registry."""

    def __init__(self, tenancy: Tenancy, authority: Authority, connect: Connect, signals: Signals) -> None:
        self._tenancy, self._authority, self._connect, self._signals = tenancy, authority, connect, signals

    async def issue(self, principal: Principal, device: str) -> bytes:
        """A new key and certificate as a zip. Older certificates stay valid until they are revoked.

        Raises:
            NotFound: there is no such device, or none that the user may see.
            Conflict: the device is retired.
        """
        async with self._tenancy.transaction(principal.scope) as connection:
            row = found(await table.find(connection, device), device)
            if row.status == "retired":
                raise Conflict(f"{device} is retired")
            issued = issue_client(self._authority, identity(row.organization, row.kind, row.id))
            await certificate_table.insert(connection, row, issued)
            await table.set_key(connection, device, issued.fingerprint)
        await self._signals.send(EDGE_REGISTRY, device)
        return self._archive(row, issued)

    def _archive(self, row: DeviceRow, issued: Issued) -> bytes:
        files: dict[str, tuple[bytes, int]] = {
            f"{row.id}.key": (issued.key_pem, 0o600),
            f"{row.id}.crt": (issued.certificate_pem, 0o644),
            "ca.crt": (self._connect.ca_pem, 0o644),
            f"{row.id}.json": (self._connect.credentials(row), 0o644),
            "README.txt": (readme(self._connect.info(row)).encode(), 0o644),
        }
        return zipped(files)

    async def of_device(self, principal: Principal, device: str) -> list[CertificateView]:
        """The device's certificates, newest first.

        Raises:
            NotFound: there is no such device, or none that the user may see.
        """
        async with self._tenancy.transaction(principal.scope) as connection:
            found(await table.find(connection, device), device)
            return await certificate_table.of_device(connection, device)

    async def revoke(self, principal: Principal, device: str, serial: str) -> None:
        """The certificate opens no connection any more; a live one of the device is checked again.

        Raises:
            NotFound: there is no such device or certificate, or none that the user may see.
        """
        async with self._tenancy.transaction(principal.scope) as connection:
            found(await table.find(connection, device), device)
            if not await certificate_table.revoke(connection, device, serial.lower(), f"revoked by {principal.id}"):
                raise NotFound(f"{device} has no certificate {serial}")
        await self._signals.send(EDGE_REGISTRY, device)


def zipped(files: dict[str, tuple[bytes, int]]) -> bytes:
    """A zip in memory of name → (content, file mode)."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, (content, mode) in files.items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = (0o100000 | mode) << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)
    return buffer.getvalue()
