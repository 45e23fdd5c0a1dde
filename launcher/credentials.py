"""Files that a device connects with: ID.crt, ID.key, ca.crt, and ID.json, which says where to."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryFile
from urllib.parse import urlsplit

from certs.authority import Authority
from certs.issue import Issued, write_client
from iotsphere.errors import Misconfigured

MQTTS_PORT = 8883


@dataclass(frozen=True, slots=True)
class ConnectFile:
    """How one device connects; the file names are relative to the directory of the file, absolute when printed."""

    id: str
    host: str
    port: int
    ca: str
    certificate: str
    key: str
    device_type: str


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


def write(issued: Issued, authority: Authority, directory: Path, device: str, device_type: str, mqtts: str) -> ConnectFile:
    """Write a device's files (mode 0600); returns how it connects, with whole paths.

    Raises:
        Misconfigured: the directory cannot be written.
    """
    try:
        write_client(issued, authority, directory, device)
        relative = connect_file(device, device_type, mqtts)
        path = directory / f"{device}.json"
        path.write_text(json.dumps(asdict(relative), indent=2) + "\n")
        path.chmod(0o600)
    except OSError as error:
        raise Misconfigured(f"{directory} cannot be written: {error}") from error
    return connect_file(device, device_type, mqtts, directory.absolute())


def connect_file(device: str, device_type: str, mqtts: str, directory: Path = Path()) -> ConnectFile:
    """How a device connects to the broker of that URL, with its files in the directory."""
    where = urlsplit(mqtts)
    ca, certificate, key = (str(directory / name) for name in ("ca.crt", f"{device}.crt", f"{device}.key"))
    return ConnectFile(device, where.hostname or "localhost", where.port or MQTTS_PORT, ca, certificate, key, device_type)


def is_complete(directory: Path, device: str, ca: bytes) -> bool:
    """Whether the files of a device are there, of the present authority."""
    names = (f"{device}.crt", f"{device}.key", f"{device}.json")
    try:
        return (directory / "ca.crt").read_bytes() == ca and all((directory / name).exists() for name in names)
    except OSError:
        return False
