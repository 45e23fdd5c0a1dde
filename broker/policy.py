"""Who may connect, and what each may publish and subscribe to. Pure: every engine decides with these functions."""

from iotsphere.errors import Refused
from iotsphere.identity import PeerCertificate
from iotsphere.registry import DeviceRecord
from iotsphere.topics import AWS_PREFIX, Route, is_filter, is_own_filter

SERVICE_TYPE = ""
MAY_CONNECT = ("registered", "active")
"""Status of a device."""
NO_SUCH_TOPIC = "no such topic: see the wire contract"


def identify(peer: PeerCertificate, client_id: str, record: DeviceRecord | None, revoked: bool, now: float) -> DeviceRecord:
    """Decide on a CONNECT.

    Args:
        peer: the certificate of this very connection.
        client_id: as sent in CONNECT.
        record: what the registry has of the certificate's id.
        revoked: whether the registry has revoked the certificate's serial.
        now: seconds since the Unix epoch.

    Raises:
        Refused: with the reason, in the order in which a maker would want to know.
    """
    who = peer.identity
    if revoked:
        raise Refused("tls", f"the certificate {peer.serial} is revoked")
    if not peer.not_before <= now <= peer.not_after:
        raise Refused("tls", "the certificate is not valid now")
    if client_id != who.id:
        raise Refused("client_id", f"client id {client_id!r} is not the certificate's id {who.id!r}")
    if who.kind == "service":
        return DeviceRecord(who.id, who.organization, SERVICE_TYPE, "service", "active")
    if record is None:
        raise Refused("client_id", f"no device {who.id!r} is registered")
    if record.kind != who.kind:
        raise Refused("tls", f"the certificate is for a {who.kind}, the registry has a {record.kind}")
    if record.organization != who.organization:
        raise Refused("tls", f"the certificate is for {who.organization}, the device belongs to {record.organization}")
    if record.status not in MAY_CONNECT:
        raise Refused("client_id", f"the device is {record.status}")
    return record


def may_publish(record: DeviceRecord, route: Route) -> str | None:
    """None when allowed, else the reason. Only devices publish, and only below their own id."""
    if record.kind == "service":
        return "a service does not publish"
    if route.device != record.id:
        return f"the topic belongs to {route.device}"
    return None


def may_subscribe(record: DeviceRecord, topic_filter: str) -> str | None:
    """None when allowed, else the reason. What a service receives is filtered by organization, message by message."""
    if not is_filter(topic_filter):
        return "not a valid topic filter"
    if topic_filter.startswith("$") and not topic_filter.startswith(f"{AWS_PREFIX}/"):
        return "no such topics here"
    if record.kind != "service" and not is_own_filter(record.id, topic_filter):
        return f"the filter can match more than {record.id}'s own topics"
    return None


def may_receive(record: DeviceRecord, sender: DeviceRecord) -> bool:
    """Whether a service may see a device's message."""
    return record.kind == "service" and record.organization == sender.organization
