"""Files that a device connects with: ID.crt, ID.key, ca.crt, and ID.json, which says where to."""

import os
from pathlib import Path
from tempfile import TemporaryFile

from certs.authority import Authority
from certs.issue import Issued, write_client
from device_sdk import Credentials
from iotsphere.errors import Misconfigured


def must_be_writable(directory: Path) -> None:
    """Make sure that files can be written there, before a device is registered whose key would be lost. Makes nothing: what
    comes in between may fail, and would leave it empty.

    Raises:
        Misconfigured: the directory cannot be written, or made.
    """
    there = next(path for path in (directory.absolute(), *directory.absolute().parents) if os.path.lexists(path))
    try:
        with TemporaryFile(dir=there):
            return
    except OSError as error:
        raise Misconfigured(f"{directory} cannot be written: {error}") from error


def write(issued: Issued, authority: Authority, directory: Path, device: str, device_type: str, mqtts: str) -> Credentials:
    """Write a device's files (mode 0600); returns how it connects, with whole paths.

    Raises:
        Misconfigured: the directory cannot be written.
    """
    try:
        write_client(issued, authority, directory, device)
        path = directory / f"{device}.json"
        path.write_bytes(Credentials.of(device, mqtts, device_type=device_type).to_json())
        path.chmod(0o600)
    except OSError as error:
        raise Misconfigured(f"{directory} cannot be written: {error}") from error
    return Credentials.of(device, mqtts, directory.absolute(), device_type)


def is_complete(directory: Path, device: str, ca: bytes) -> bool:
    """Whether the files of a device are there, of the present authority."""
    names = (f"{device}.crt", f"{device}.key", f"{device}.json")
    try:
        return (directory / "ca.crt").read_bytes() == ca and all((directory / name).exists() for name in names)
    except OSError:
        return False
