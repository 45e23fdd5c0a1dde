"""Certificates for servers, devices, simulated devices and services (EC P-256, CN = id, URI name = identity)."""

import hashlib
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from certs.authority import BACKDATE, Authority, key_pem, new_key, pem, write_file
from iotsphere.identity import Identity, serial_text

CLIENT_DAYS = 825
SERVER_DAYS = 397


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate with its key.

    Attributes:
        certificate_pem: the certificate followed by the issuing authority's.
        serial: lower-case hexadecimal.
        fingerprint: SHA-256 of the public key (SubjectPublicKeyInfo, DER), hexadecimal: the device key.
    """

    certificate_pem: bytes
    key_pem: bytes
    serial: str
    fingerprint: str
    not_after: datetime


def issue_client(authority: Authority, who: Identity, *, days: float = CLIENT_DAYS) -> Issued:
    """A certificate for a device, a simulated device or a service. Takes about 0.3 ms."""
    names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(who.uri)])
    return _issue(authority, who.id, names, ExtendedKeyUsageOID.CLIENT_AUTH, timedelta(days=days))


def issue_server(authority: Authority, names: Sequence[str], *, days: float = SERVER_DAYS) -> Issued:
    """A certificate for our listeners, valid for the given host names and IP addresses."""
    alternative = x509.SubjectAlternativeName([_general_name(name) for name in names])
    return _issue(authority, names[0], alternative, ExtendedKeyUsageOID.SERVER_AUTH, timedelta(days=days))


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _issue(
    authority: Authority, common_name: str, names: x509.SubjectAlternativeName, purpose: x509.ObjectIdentifier, life: timedelta
) -> Issued:
    key, now = new_key(), datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .issuer_name(authority.certificate.subject)
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATE + min(life, timedelta()))
        .not_valid_after(now + life)
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key()), critical=False)
        .sign(authority.key, hashes.SHA256())
    )
    return Issued(
        pem(certificate) + authority.chain_pem,
        key_pem(key),
        serial_text(certificate.serial_number),
        _fingerprint(key),
        certificate.not_valid_after_utc,
    )


def _fingerprint(key: ec.EllipticCurvePrivateKey) -> str:
    der = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(der).hexdigest()


def ensure_server(authority: Authority, names: Sequence[str]) -> tuple[Path, Path]:
    """The server's certificate and key files, renewed when 30 days are left or the names have changed."""
    certificate_file, key_file = authority.directory / "server.crt", authority.directory / "server.key"
    if not (certificate_file.exists() and key_file.exists()) or not _still_good(certificate_file, names):
        issued = issue_server(authority, names)
        write_file(key_file, issued.key_pem)
        write_file(certificate_file, issued.certificate_pem)
    return certificate_file, key_file


def _still_good(path: Path, names: Sequence[str]) -> bool:
    certificate = x509.load_pem_x509_certificate(path.read_bytes())
    found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    wanted = {_general_name(name) for name in names}
    return wanted <= set(found) and certificate.not_valid_after_utc > datetime.now(UTC) + timedelta(days=30)


def write_client(issued: Issued, authority: Authority, directory: Path, name: str) -> None:
    """Write ID.crt, ID.key and ca.crt as a device needs them."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_file(directory / f"{name}.key", issued.key_pem)
    write_file(directory / f"{name}.crt", issued.certificate_pem)
    write_file(directory / "ca.crt", authority.ca_file.read_bytes())
