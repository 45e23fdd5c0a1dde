"""Where a device connects to and with what: the file ID.json that `iotsphere device add` writes beside the keys."""

import ssl
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from iotsphere.errors import Misconfigured

MQTTS_PORT = 8883


@dataclass(frozen=True, slots=True)
class Credentials:
    """Address and files of one device.

    Attributes:
        ca: the authority that the broker's certificate must come from.
        certificate, key: the device's own, PEM.
    """

    id: str
    host: str
    port: int
    ca: Path
    certificate: Path
    key: Path
    device_type: str = ""

    @classmethod
    def load(cls, directory: Path | str, id: str) -> "Credentials":  # noqa: A002 - the field's name
        """Read DIRECTORY/ID.json; paths in it may be relative to the directory.

        Raises:
            Misconfigured: the file is missing or no such JSON.
        """
        place = Path(directory)
        file = place / f"{id}.json"
        try:
            # The hook makes the paths: relative ones are meant from the directory.
            return msgspec.json.decode(file.read_bytes(), type=cls, dec_hook=lambda _, text: place / text)
        except (OSError, msgspec.DecodeError) as error:
            raise Misconfigured(f"{file}: {error}") from error

    @classmethod
    def of(cls, id: str, url: str, directory: Path = Path(), device_type: str = "") -> "Credentials":  # noqa: A002 - the field's name
        """A device that connects to that URL, its files in the directory under their usual names."""
        where = urlsplit(url)
        ca, certificate, key = (directory / name for name in ("ca.crt", f"{id}.crt", f"{id}.key"))
        return cls(id, where.hostname or "localhost", where.port or MQTTS_PORT, ca, certificate, key, device_type)

    def to_json(self) -> bytes:
        """As ID.json has it, in lines."""
        return msgspec.json.format(msgspec.json.encode(self, enc_hook=str), indent=2) + b"\n"

    def tls(self) -> ssl.SSLContext:
        """A context that trusts only that authority and shows the device's certificate.

        Raises:
            Misconfigured: a file is missing or no PEM.
        """
        try:
            context = ssl.create_default_context(cafile=str(self.ca))
            context.load_cert_chain(self.certificate, self.key)
        except OSError as error:
            raise Misconfigured(f"certificates of {self.id} ({self.ca}, {self.certificate}, {self.key}): {error}") from error
        return context


class TlsSource:
    """The context of today: made again when one of the files has changed, so that a renewed certificate is used."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials
        self._seen: tuple[object, ...] = ()
        self._context: ssl.SSLContext | None = None

    def context(self) -> ssl.SSLContext:
        """As Credentials.tls()."""
        seen = tuple(map(_trace, (self._credentials.ca, self._credentials.certificate, self._credentials.key)))
        if self._context is None or seen != self._seen:
            self._context, self._seen = self._credentials.tls(), seen
        return self._context


def _trace(file: Path) -> object:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
