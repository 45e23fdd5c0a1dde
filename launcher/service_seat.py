"""Certificates for the command line's own MQTT clients: services `iotsphere-cli-1`, `-2` …, one for each that runs at once."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO

from cryptography import x509

from cloud_api.domain.organizations import table as organizations
from device_sdk.credentials import Credentials
from iotsphere.errors import Misconfigured
from launcher import certificates, installed
from launcher.cli_context import with_database
from launcher.credentials import must_be_writable
from launcher.home import Home

SEATS = 32
RENEWED_BEFORE = timedelta(days=1)


@contextmanager
def taken(home: Home, organization: str, mqtts: str) -> Iterator[Credentials]:
    """How to connect as a service of the organization that nobody else uses meanwhile; its certificate is made when missing.

    Raises:
        Misconfigured: no installation there, or more than SEATS run at once.
        InvalidInput: there is no such organization.
    """
    directory = home.root / "services" / organization
    with_database(lambda c: organizations.require(c, organization))  # before anything is named after it
    must_be_writable(directory)
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    name, lock = _free(directory)
    with lock:
        _make_sure(home, organization, directory, name)
        yield Credentials.of(name, mqtts, directory)


def _free(directory: Path) -> tuple[str, IO[str]]:
    for number in range(1, SEATS + 1):
        name = f"iotsphere-cli-{number}"
        lock = (directory / f"{name}.lock").open("a")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
        else:
            return name, lock
    raise Misconfigured(f"{SEATS} clients of the command line listen already")


def _make_sure(home: Home, organization: str, directory: Path, name: str) -> None:
    authority = installed.authority(home)
    if not _is_good(directory, name, authority.ca_file.read_bytes()):
        with_database(lambda c: certificates.issue_service(c, authority, name, organization, directory))


def _is_good(directory: Path, name: str, ca: bytes) -> bool:
    try:
        certificate = x509.load_pem_x509_certificate((directory / f"{name}.crt").read_bytes())
        same = (directory / "ca.crt").read_bytes() == ca and (directory / f"{name}.key").exists()
    except (OSError, ValueError):
        return False
    return same and certificate.not_valid_after_utc - datetime.now(UTC) > RENEWED_BEFORE
