"""TLS of devices whose files lie in one directory, as `iotsphere device add` writes them."""

import ssl
from pathlib import Path

from iotsphere.infra.tls import client_context


def device_context(directory: Path, name: str) -> ssl.SSLContext:
    """For the device or service of that name."""
    return client_context(directory / "ca.crt", directory / f"{name}.crt", directory / f"{name}.key")
