"""Files that a device connects with: ID.crt, ID.key, ca.crt, and ID.json, which says where to."""

from pathlib import Path
from tempfile import TemporaryFile

from certs.authority import Authority
from certs.issue import Issued, write_client
from device_sdk import Credentials
from iotsphere.errors import Misconfigured


def prepare(directory: Path) -> None:
    """Make sure that files can be written there: before a device is registered whose key would be lost.

    Raises:
        Misconfigured: the directory cannot be written.
    """
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with TemporaryFile(dir=directory):
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
