"""Certificates for tests."""

import ssl
from dataclasses import dataclass
from pathlib import Path

from certs.authority import Authority, open_authority
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

    def issue(self, id: str, organization: str = "default", kind: str = "device", days: float = 30) -> Issued:
        issued = issue_client(self.authority, identity(organization, kind, id), days=days)
        write_client(issued, self.authority, self.directory, id)
        return issued

    def client(self, id: str) -> ssl.SSLContext:
        if not (self.directory / f"{id}.crt").exists():
            self.issue(id)
        return client_context(self.authority.ca_file, self.directory / f"{id}.crt", self.directory / f"{id}.key")
