"""TLS contexts of both ends."""

import ssl
from pathlib import Path


def server_context(certificate: Path, key: Path, ca: Path) -> ssl.SSLContext:
    """A context that requires a client certificate and gives out no session tickets.

    A resumed session skips the certificate checks of TLS. TLS 1.3 tickets are switched off by number, TLS 1.2 tickets by option.
    TLS 1.2 session ids cannot be switched off from Python, so whoever relies on revocation looks the serial up at every CONNECT.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_mode = ssl.CERT_REQUIRED
    context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    context.num_tickets = 0
    context.load_cert_chain(certificate, key)
    context.load_verify_locations(ca)
    return context


def client_context(ca: Path, certificate: Path | None = None, key: Path | None = None) -> ssl.SSLContext:
    """A context that trusts only the given authority."""
    context = ssl.create_default_context(cafile=str(ca))
    if certificate is not None:
        context.load_cert_chain(certificate, key)
    return context
