"""Whether a message sent by hand would be taken: asked of the broker's own policy, since a refused one is acknowledged too."""

from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from broker import policy
from device_sdk.credentials import Credentials
from iotsphere import topics
from iotsphere.errors import InvalidInput, Misconfigured
from iotsphere.identity import peer_certificate
from iotsphere.messages import MAX_PAYLOAD_BYTES
from iotsphere.registry import DeviceRecord


def must_be_allowed(who: Credentials, topic: str, payload: bytes) -> None:
    """Raises:
    InvalidInput: the broker would refuse the message; says why. Nothing was sent then.
    Misconfigured: the certificate cannot be read.
    """
    identity = peer_certificate(_der(who.certificate)).identity
    record = DeviceRecord(identity.id, identity.organization, who.device_type, identity.kind, "active")
    route = topics.parse(topic)
    reason = policy.NO_SUCH_TOPIC if route is None else policy.may_publish(record, route)
    if reason is not None:
        raise InvalidInput("topic", f"{topic!r} is refused, nothing was sent: {reason}{_advice(identity.kind)}")
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise InvalidInput("payload", f"{len(payload)} bytes are refused, nothing was sent: at most {MAX_PAYLOAD_BYTES}")


def _advice(kind: str) -> str:
    return "; publish as a device with --as ID.json" if kind == "service" else ""


def _der(certificate: Path) -> bytes:
    try:
        return x509.load_pem_x509_certificate(certificate.read_bytes()).public_bytes(Encoding.DER)
    except (OSError, ValueError) as error:
        raise Misconfigured(f"{certificate}: {error}") from error
