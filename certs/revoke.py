"""A certificate revocation list for engines that want a file; the embedded broker asks the registry instead."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from certs.authority import Authority


def render_crl(authority: Authority, revoked: Iterable[tuple[str, datetime]], *, days: int = 30) -> bytes:
    """A signed list in PEM.

    Args:
        authority: who signs.
        revoked: serial (hexadecimal) and time of each revoked certificate.
        days: until when a reader may rely on it.
    """
    now = datetime.now(UTC)
    builder = x509.CertificateRevocationListBuilder(authority.certificate.subject, now, now + timedelta(days=days))
    for serial, at in revoked:
        builder = builder.add_revoked_certificate(
            x509.RevokedCertificateBuilder().serial_number(int(serial, 16)).revocation_date(at).build()
        )
    return builder.sign(authority.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
