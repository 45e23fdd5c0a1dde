"""Certificates for tests."""

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from certs.authority import Authority, open_authority, pem
from certs.issue import Issued, ensure_server, issue_client, write_client
from iotsphere.identity import identity
from iotsphere.infra.tls import client_context, server_context


@dataclass
class Pki:
    """An authority in a temporary directory with a server certificate for loopback."""

    authority: Authority
    directory: Path

    @classmethod
    def create(cls, directory: Path) -> "Pki":
        return cls(open_authority(directory / "ca"), directory)

    def server(self) -> ssl.SSLContext:
        certificate, key = ensure_server(self.authority, ["localhost", "127.0.0.1"])
        return server_context(certificate, key, self.authority.ca_file)

    def untimely_server(self, starts: timedelta, ends: timedelta) -> ssl.SSLContext:
        """As server(), with a certificate that is valid from and until so much after now."""
        certificate_file, key_file = ensure_server(self.authority, ["localhost", "127.0.0.1"])
        good, now = x509.load_pem_x509_certificate(certificate_file.read_bytes()), datetime.now(UTC)
        builder = x509.CertificateBuilder(
            good.issuer, good.subject, good.public_key(), good.serial_number, now + starts, now + ends, list(good.extensions)
        )
        untimely = self.directory / "untimely.crt"
        untimely.write_bytes(pem(builder.sign(self.authority.key, hashes.SHA256())) + self.authority.chain_pem)
        return server_context(untimely, key_file, self.authority.ca_file)

    def issue(self, id: str, organization: str = "default", kind: str = "device", days: float = 30) -> Issued:
        issued = issue_client(self.authority, identity(organization, kind, id), days=days)
        write_client(issued, self.authority, self.directory, id)
        return issued

    def client(self, id: str) -> ssl.SSLContext:
        if not (self.directory / f"{id}.crt").exists():
            self.issue(id)
        return client_context(self.authority.ca_file, self.directory / f"{id}.crt", self.directory / f"{id}.key")
