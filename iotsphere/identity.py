"""Who a certificate says its holder is: `iotsphere://{org}/{kind}/{id}` in the URI subject alternative name, and CN = id."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, get_args

from iotsphere.errors import InvalidInput, Refused
from iotsphere.topics import is_device_id

Kind = Literal["device", "simulated", "service"]
DEVICE_ID_RULE = "must be 1 to 64 of A-Z a-z 0-9 : . _ -, beginning with a letter or digit, and not ca"
ORGANIZATION_RULE = "must be lower-case letters, digits and hyphens, at most 63, beginning with a letter or digit"
_ORGANIZATION = re.compile(r"[a-z0-9][a-z0-9-]{0,62}\Z")
_URI = re.compile(r"iotsphere://([^/]+)/([^/]+)/([^/]+)\Z")


@dataclass(frozen=True, slots=True)
class Identity:
    """Organization at the time of issue, kind, and id."""

    organization: str
    kind: Kind
    id: str

    @property
    def uri(self) -> str:
        """The subject alternative name."""
        return f"iotsphere://{self.organization}/{self.kind}/{self.id}"


@dataclass(frozen=True, slots=True)
class PeerCertificate:
    """What matters of the certificate of a connection.

    Attributes:
        serial: lower-case hexadecimal, as the registry has it.
        not_after: seconds since the Unix epoch.
    """

    identity: Identity
    serial: str
    not_before: float
    not_after: float


def identity(organization: str, kind: str, id: str) -> Identity:  # noqa: A002 - the field's name
    """A checked identity.

    Raises:
        InvalidInput: one of the three does not fit its grammar.
    """
    if not _ORGANIZATION.match(organization):
        raise InvalidInput("organization", ORGANIZATION_RULE)
    if kind not in get_args(Kind):
        raise InvalidInput("kind", f"must be one of {', '.join(get_args(Kind))}")
    if not is_device_id(id):
        raise InvalidInput("id", DEVICE_ID_RULE)
    return Identity(organization, kind, id)  # type: ignore[arg-type]


def parse_uri(uri: str) -> Identity:
    """Take a subject alternative name apart.

    Raises:
        InvalidInput: it is none of ours.
    """
    found = _URI.match(uri)
    if found is None:
        raise InvalidInput("uri", f"{uri!r} is not iotsphere://ORGANIZATION/KIND/ID")
    return identity(*found.groups())


def peer_certificate(der: bytes) -> PeerCertificate:
    """Read the certificate of a connection. Its signature has been verified by TLS before.

    Parsing takes about 60 µs, once a connection, so nothing is cached across connections.

    Raises:
        Refused: category ``tls``: no URI name of ours, or a CN that differs from the id in it.
    """
    from cryptography import x509  # here, so that a device installs without it
    from cryptography.x509.oid import NameOID

    certificate = x509.load_der_x509_certificate(der)
    names = [a.value for a in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    try:
        alternative = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        uris = alternative.get_values_for_type(x509.UniformResourceIdentifier)
        found = [parse_uri(uri) for uri in uris]
    except (x509.ExtensionNotFound, InvalidInput) as error:
        raise Refused("tls", f"the certificate has no name iotsphere://…: {error}") from error
    if len(found) != 1 or names != [found[0].id]:
        raise Refused("tls", f"the certificate's CN {names} and URI name {[i.uri for i in found]} disagree")
    return PeerCertificate(
        found[0],
        serial_text(certificate.serial_number),
        _seconds(certificate.not_valid_before_utc),
        _seconds(certificate.not_valid_after_utc),
    )


def serial_text(serial: int) -> str:
    """A certificate's serial as the registry has it."""
    return f"{serial:x}"


def _seconds(moment: datetime) -> float:
    return moment.astimezone(UTC).timestamp()
