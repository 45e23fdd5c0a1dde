"""Who may connect, publish, subscribe and receive: the table that every engine is held to."""

import pytest

from broker import policy
from iotsphere.errors import Refused
from iotsphere.identity import Identity, PeerCertificate
from iotsphere.registry import DeviceRecord
from iotsphere.topics import parse

NOW = 1000.0


def peer(organization: str = "default", kind: str = "device", id: str = "d", until: float = 2000.0) -> PeerCertificate:
    return PeerCertificate(Identity(organization, kind, id), "ab", 0.0, until)  # type: ignore[arg-type]


def record(**changes: str) -> DeviceRecord:
    known = {"id": "d", "organization": "default", "device_type": "t", "kind": "device", "status": "active"}
    return DeviceRecord(**{**known, **changes})


def test_a_registered_device_comes_in() -> None:
    assert policy.identify(peer(), "d", record(), False, NOW) == record()
    assert policy.identify(peer(kind="simulated"), "d", record(kind="simulated"), False, NOW).simulated


def test_a_service_needs_no_row() -> None:
    found = policy.identify(peer(kind="service", id="s"), "s", None, False, NOW)
    assert (found.kind, found.organization) == ("service", "default")


@pytest.mark.parametrize(
    ("certificate", "client", "row", "revoked", "category", "reason"),
    [
        (peer(), "d", record(), True, "tls", "revoked"),
        (peer(until=999.0), "d", record(), False, "tls", "not valid now"),
        (peer(), "e", record(), False, "client_id", "is not the certificate's id"),
        (peer(), "", record(), False, "client_id", "is not the certificate's id"),
        (peer(), "d", None, False, "client_id", "no device 'd'"),
        (peer(kind="simulated"), "d", record(), False, "tls", "for a simulated"),
        (peer(), "d", record(kind="simulated"), False, "tls", "the registry has a simulated"),
        (peer(organization="other"), "d", record(), False, "tls", "the device belongs to default"),
        (peer(), "d", record(status="disabled"), False, "client_id", "disabled"),
        (peer(), "d", record(status="retired"), False, "client_id", "retired"),
    ],
)
def test_everybody_else_is_told_why_not(
    certificate: PeerCertificate, client: str, row: DeviceRecord | None, revoked: bool, category: str, reason: str
) -> None:
    with pytest.raises(Refused, match=reason) as refused:
        policy.identify(certificate, client, row, revoked, NOW)
    assert refused.value.category == category


@pytest.mark.parametrize(
    ("sender", "topic", "reason"),
    [
        (record(), "iot/v1/d/telemetry", None),
        (record(), "iot/v1/e/telemetry", "belongs to e"),
        (record(), "$aws/things/d/shadow/name/lamp/update", None),
        (record(), "$aws/things/e/shadow/get", "belongs to e"),
        (record(id="s", kind="service"), "iot/v1/s/telemetry", "does not publish"),
    ],
)
def test_publishing(sender: DeviceRecord, topic: str, reason: str | None) -> None:
    route = parse(topic)
    assert route is not None
    found = policy.may_publish(sender, route)
    assert (found is None) if reason is None else (found is not None and reason in found)


@pytest.mark.parametrize(
    ("kind", "topic_filter", "allowed"),
    [
        ("device", "iot/v1/d/#", True),
        ("device", "iot/v1/d/shadow/get/+", True),
        ("device", "$aws/things/d/shadow/get/+", True),
        ("device", "$aws/things/d/shadow/name/lamp/delete/+", True),
        ("device", "$aws/things/e/shadow/get/+", False),
        ("device", "$aws/things/+/shadow/get/accepted", False),
        ("device", "iot/v1/e/#", False),
        ("device", "iot/v1/+/telemetry", False),
        ("device", "#", False),
        ("device", "$SYS/#", False),
        ("device", "iot/v1/d/a#", False),
        ("service", "iot/v1/+/telemetry", True),
        ("service", "#", True),
        ("service", "$aws/things/+/shadow/update", True),
        ("service", "$SYS/#", False),
    ],
)
def test_subscribing(kind: str, topic_filter: str, allowed: bool) -> None:
    assert (policy.may_subscribe(record(kind=kind), topic_filter) is None) is allowed


def test_a_service_receives_what_is_of_its_organization() -> None:
    service = record(id="s", kind="service")
    assert policy.may_receive(service, record())
    assert not policy.may_receive(service, record(organization="other"))
    assert not policy.may_receive(record(), record())
