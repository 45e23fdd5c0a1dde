"""The embedded broker over real mutual TLS."""

import asyncio
import ssl
import time

import pytest

from broker.api import Lane, Sent
from broker.embedded.codec import encode_publish
from broker.embedded.limits import Limits
from iotsphere import topics
from iotsphere.errors import StoreUnavailable
from tests.support.brokers import POISON, running_broker
from tests.support.mqtt_raw import RawClient, connect, packet, subscribe
from tests.support.pki import Pki
from tests.support.waiting import until

# `edge` runs on uvloop, whose transports differ in small ways.
pytestmark = [pytest.mark.integration, pytest.mark.loops("asyncio", "uvloop")]
CONNACK_OK = b"\x20\x02\x00\x00"


async def test_a_puback_follows_the_commit_and_never_precedes_it(pki: Pki) -> None:
    async with running_broker(pki) as it:
        it.device("d")
        it.ingest.gates[Lane.TELEMETRY].clear()
        client = await RawClient.session(it.port, pki.client("d"), "d")
        client.publish(topics.telemetry("d"), b"{}", 7)
        with pytest.raises(TimeoutError):
            await client.packet(0.2)
        it.ingest.gates[Lane.TELEMETRY].set()
        assert await client.packet() == b"\x40\x02\x00\x07"
        assert [d.payload for d in it.ingest.committed] == [b"{}"]
        await client.close()


async def test_pubacks_keep_the_order_of_the_publishes_across_lanes(pki: Pki) -> None:
    async with running_broker(pki) as it:
        it.device("d")
        it.ingest.gates[Lane.SHADOW].clear()
        client = await RawClient.session(it.port, pki.client("d"), "d")
        client.publish(topics.shadow("d", "update"), b"{}", 1)
        client.publish(topics.telemetry("d"), b"{}", 2)
        await until(lambda: len(it.ingest.committed) == 1)
        with pytest.raises(TimeoutError):
            await client.packet(0.2)
        it.ingest.gates[Lane.SHADOW].set()
        assert [(await client.packet())[3] for _ in range(2)] == [1, 2]
        await client.close()


@pytest.mark.parametrize(
    ("certificate", "client_id", "code", "reason"),
    [
        ("d", "e", 2, "is not the certificate's id"),
        ("stranger", "stranger", 2, "no device"),
        ("off", "off", 2, "disabled"),
        ("fake", "fake", 5, "is for a simulated"),
        ("gone", "gone", 5, "revoked"),
    ],
)
async def test_who_is_not_what_the_certificate_and_the_registry_say_is_refused(
    pki: Pki, certificate: str, client_id: str, code: int, reason: str
) -> None:
    async with running_broker(pki) as it:
        for name in ("d", "e", "gone", "off"):
            it.device(name)
        it.registry.add("off", status="disabled")
        pki.issue("stranger")
        it.registry.add("fake")
        pki.issue("fake", kind="simulated")
        it.registry.revoked_serials.add(pki.issue("gone").serial)
        client = await RawClient.open(it.port, pki.client(certificate))
        client.write(connect(client_id))
        assert await client.packet() == bytes((0x20, 2, 0, code))
        assert await client.packet() == b""
        assert reason in it.listener.refused[0][2]
        assert it.listener.presence == []
        await client.close()


async def test_no_certificate_another_authority_or_an_expired_one_ends_in_the_handshake(
    pki: Pki, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = Pki.create(tmp_path_factory.mktemp("other"))
    other.issue("d")
    pki.issue("late", days=-1)
    bare = ssl.create_default_context(cafile=str(pki.authority.ca_file))
    foreign = ssl.create_default_context(cafile=str(pki.authority.ca_file))
    foreign.load_cert_chain(other.directory / "d.crt", other.directory / "d.key")
    async with running_broker(pki) as it:
        it.device("d")
        for context in (bare, foreign, pki.client("late")):
            with pytest.raises((OSError, AssertionError)):
                await RawClient.session(it.port, context, "d")
        await until(lambda: len(it.listener.refused) == 3)
        assert {category for _, category, _, _ in it.listener.refused} == {"tls"}


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_revoked_certificate_is_refused_also_when_the_client_offers_its_old_session(
    pki: Pki, version: ssl.TLSVersion
) -> None:
    async with running_broker(pki) as it:
        it.device("d")
        context = pki.client("d")
        context.minimum_version = context.maximum_version = version
        first, second = await asyncio.to_thread(
            _two_sessions, it.port, context, lambda: it.registry.revoked_serials.add(_serial(pki))
        )
        assert first == (False, CONNACK_OK)
        # No tickets, so TLS 1.3 resumes nothing. TLS 1.2 can by session id (under uvloop it does), which gains nothing: the
        # serial is looked up at every CONNECT.
        assert second[1] == b"\x20\x02\x00\x05"
        assert version is ssl.TLSVersion.TLSv1_2 or not second[0]


def _serial(pki: Pki) -> str:
    from cryptography import x509

    return f"{x509.load_pem_x509_certificate((pki.directory / 'd.crt').read_bytes()).serial_number:x}"


def _two_sessions(port: int, context: ssl.SSLContext, between: object) -> list[tuple[bool, bytes]]:
    import socket

    assert callable(between)
    found, session = [], None
    for _ in range(2):
        raw = socket.create_connection(("127.0.0.1", port), timeout=5)
        with context.wrap_socket(raw, server_hostname="localhost", session=session) as secured:
            secured.sendall(connect("d"))
            answer = secured.recv(4)
            found.append((bool(secured.session_reused), answer))
            session = secured.session
        between()
    return found


async def test_a_foreign_publish_is_acknowledged_recorded_and_delivered_nowhere(pki: Pki) -> None:
    async with running_broker(pki) as it:
        it.device("d")
        client = await RawClient.session(it.port, pki.client("d"), "d")
        client.publish(topics.telemetry("other"), b"{}", 1)
        client.publish(topics.telemetry("d"), b"{}", 2)
        assert [(await client.packet())[3] for _ in range(2)] == [1, 2]
        assert len(it.ingest.committed) == 1
        assert it.listener.refused[0][1:] == ("acl", "the topic belongs to other", topics.telemetry("other"))
        await client.close()


async def test_a_flood_of_refusals_ends_the_connection(pki: Pki) -> None:
    async with running_broker(pki, Limits(refusals=5)) as it:
        it.device("d")
        client = await RawClient.session(it.port, pki.client("d"), "d")
        for number in range(1, 10):
            client.publish("iot/v1/other/telemetry", b"{}", number)
        await until(lambda: len(it.listener.presence) == 2)
        assert len(it.listener.refused) == 6
        await client.close()


async def test_foreign_filters_get_0x80_and_the_connection_stays(pki: Pki) -> None:
    async with running_broker(pki) as it:
        it.device("d")
        client = await RawClient.session(it.port, pki.client("d"), "d")
        client.write(subscribe(9, "#", "iot/v1/+/telemetry", "iot/v1/d/#", "iot/v1/d2/#", "$SYS/#"))
        assert await client.packet() == b"\x90\x07\x00\x09\x80\x80\x01\x80\x80"
        assert it.listener.subscribed == ["iot/v1/d/#"]
        client.write(packet(0xC0, b""))
        assert await client.packet() == b"\xd0\x00"
        await client.close()


async def test_takeover_ends_the_old_session_first(pki: Pki) -> None:
    async with running_broker(pki) as it:
        it.device("d")
        old = await RawClient.session(it.port, pki.client("d"), "d")
        new = await RawClient.session(it.port, pki.client("d"), "d")
        assert await old.packet() == b""
        assert [(p.session, p.connected, p.reason) for p in it.listener.presence] == [
            (1, True, "connected"),
            (1, False, "taken_over"),
            (2, True, "connected"),
        ]
        assert it.broker.connected() == {"d": 2}
        new.write(b"\xe0\x00")
        await until(lambda: it.listener.presence[-1].reason == "clean")
        assert it.broker.connected() == {}
        await old.close()
        await new.close()


async def test_send_reaches_a_subscriber_and_its_puback_is_told(pki: Pki) -> None:
    async with running_broker(pki) as it:
        it.device("d")
        assert (await it.broker.send("d", topics.command_request("d", "c1"), b"x")).sent is Sent.OFFLINE
        client = await RawClient.session(it.port, pki.client("d"), "d")
        assert (await it.broker.send("d", topics.command_request("d", "c1"), b"x")).sent is Sent.OFFLINE
        client.write(subscribe(1, topics.command_request_filter("d")))
        await client.packet()
        result = await it.broker.send("d", topics.command_request("d", "c1"), b"x", message="c1")
        assert (result.sent, result.session) == (Sent.QUEUED, 1)
        assert await client.packet() == encode_publish(topics.command_request("d", "c1"), b"x", 1, 1)
        client.write(b"\x40\x02\x00\x01")
        await until(lambda: it.listener.delivered == [("d", 1, "c1")])
        await client.close()


async def test_a_client_that_does_not_acknowledge_is_bounded(pki: Pki) -> None:
    async with running_broker(pki, Limits(window=2, queue=3)) as it:
        it.device("d")
        client = await RawClient.session(it.port, pki.client("d"), "d")
        client.write(subscribe(1, "iot/v1/d/#"))
        await client.packet()
        sent = [(await it.broker.send("d", topics.command_request("d", str(n)), b"x")).sent for n in range(7)]
        assert sent == [Sent.QUEUED] * 5 + [Sent.REFUSED] * 2
        await client.close()


async def test_a_blocked_store_pauses_the_sender_and_nobody_else(pki: Pki) -> None:
    async with running_broker(pki) as it:
        it.device("flood")
        it.device("calm")
        it.ingest.gates[Lane.TELEMETRY].clear()
        flood = await RawClient.session(it.port, pki.client("flood"), "flood")
        total, payload = 3000, b'{"values":{"x":1}}' + b" " * 2000
        for number in range(1, total + 1):
            flood.publish(topics.telemetry("flood"), payload, number)
        await until(lambda: it.broker.health().paused_sockets == 1)
        await asyncio.sleep(0.2)
        assert it.broker.health().pending_bytes < 1 << 20
        calm = await RawClient.session(it.port, pki.client("calm"), "calm")
        calm.publish(topics.event("calm"), b"{}", 1)
        assert await calm.packet() == b"\x40\x02\x00\x01"
        it.ingest.gates[Lane.TELEMETRY].set()
        acked = [int.from_bytes((await flood.packet())[2:4], "big") for _ in range(total)]
        assert acked == list(range(1, total + 1))
        assert it.broker.health().pending_messages == 0
        await flood.close()
        await calm.close()


async def test_qos_2_is_ingested_once(pki: Pki) -> None:
    async with running_broker(pki) as it:
        it.device("d")
        client = await RawClient.session(it.port, pki.client("d"), "d")
        for dup in (False, True):
            client.publish(topics.telemetry("d"), b"{}", 5, qos=2, dup=dup)
            assert await client.packet() == b"\x50\x02\x00\x05"
        client.write(b"\x62\x02\x00\x05")
        assert await client.packet() == b"\x70\x02\x00\x05"
        assert len(it.ingest.committed) == 1
        await client.close()


async def test_a_silent_peer_and_a_silent_session_are_ended(pki: Pki) -> None:
    async with running_broker(pki, Limits(connect_seconds=0.5, sweep_seconds=0.1)) as it:
        it.device("d")
        silent = await RawClient.open(it.port, pki.client("d"))
        session = await RawClient.session(it.port, pki.client("d"), "d", keep_alive=1)
        began = time.monotonic()
        assert await silent.packet() == b""
        assert await session.packet() == b""
        assert time.monotonic() - began < 4
        assert it.listener.presence[-1].reason == "keep_alive"


@pytest.mark.parametrize(
    "data",
    [
        connect("d"),
        b"\x00\x00",
        packet(0x30, b"\x00\x05ab"),
        packet(0x32, b"\x00\x03a/+\x00\x01x"),
        b"\x30\xff\xff\xff\xff\x7f",
        packet(0x82, b"\x00\x01"),
        packet(0x32, b"\x00\x01a\x00\x00"),
        b"\x30\xff\xff\x7f",
    ],
)
async def test_a_malformed_packet_ends_its_connection_only(pki: Pki, data: bytes) -> None:
    async with running_broker(pki) as it:
        it.device("d")
        it.device("calm")
        calm = await RawClient.session(it.port, pki.client("calm"), "calm")
        client = await RawClient.session(it.port, pki.client("d"), "d")
        client.write(data)
        assert await client.packet() == b""
        await until(lambda: it.listener.presence[-1].reason == "protocol")
        calm.write(packet(0xC0, b""))
        assert await calm.packet() == b"\xd0\x00"
        await calm.close()


async def test_the_will_is_published_unless_the_client_says_goodbye(pki: Pki) -> None:
    async with running_broker(pki) as it:
        it.device("d")
        client = await RawClient.session(it.port, pki.client("d"), "d", will=(topics.status("d"), b"gone"))
        client.writer.transport.abort()
        await until(lambda: [d.payload for d in it.ingest.committed] == [b"gone"])
        client = await RawClient.session(it.port, pki.client("d"), "d", will=(topics.status("d"), b"gone"))
        client.write(b"\xe0\x00")
        await until(lambda: it.listener.presence[-1].reason == "clean")
        assert len(it.ingest.committed) == 1
        await client.close()


async def test_a_kick_ends_the_session_at_once(pki: Pki) -> None:
    async with running_broker(pki) as it:
        it.device("d")
        client = await RawClient.session(it.port, pki.client("d"), "d")
        await it.broker.kick("d", "revoked")
        assert await client.packet(1.0) == b""
        assert it.listener.presence[-1].reason == "revoked"


async def test_a_service_sees_its_own_organization_only(pki: Pki) -> None:
    async with running_broker(pki) as it:
        it.device("ours")
        it.device("theirs", organization="acme")
        pki.issue("watcher", kind="service")
        watcher = await RawClient.session(it.port, pki.client("watcher"), "watcher")
        watcher.write(subscribe(1, "#", qos=0))
        await watcher.packet()
        for name in ("theirs", "ours"):
            client = await RawClient.session(it.port, pki.client(name), name)
            client.publish(topics.telemetry(name), b"{}", 1)
            await client.packet()
            await client.close()
        assert await watcher.packet() == encode_publish(topics.telemetry("ours"), b"{}", 0)
        with pytest.raises(TimeoutError):
            await watcher.packet(0.2)
        await watcher.close()


async def test_without_a_session_number_the_client_is_told_to_come_again(pki: Pki) -> None:
    async with running_broker(pki) as it:
        it.device("d")
        it.broker._epochs = _NoNumbers()
        client = await RawClient.open(it.port, pki.client("d"))
        client.write(connect("d"))
        assert await client.packet() == b"\x20\x02\x00\x03"
        assert it.broker.connected() == {}
        await client.close()


class _NoNumbers:
    def next(self) -> int:
        raise StoreUnavailable("no session numbers are left")


async def test_a_message_that_nothing_can_be_made_of_harms_no_other_and_is_given_up(pki: Pki) -> None:
    async with running_broker(pki) as it:
        it.device("d")
        client = await RawClient.session(it.port, pki.client("d"), "d")
        payloads = [b"1", b"2", POISON, b"4", b"5", POISON, b"7"]
        for number, payload in enumerate(payloads, 1):
            client.publish(topics.telemetry("d"), payload, number)
        assert [(await client.packet())[3] for _ in payloads] == [1, 2, 3, 4, 5, 6, 7]
        assert [delivery.payload for delivery in it.ingest.committed] == [b"1", b"2", b"4", b"5", b"7"]
        assert [(lane, delivery.payload, error) for lane, delivery, error in it.ingest.given_up] == [
            (Lane.TELEMETRY, POISON, "poison")
        ] * 2
        await client.close()
