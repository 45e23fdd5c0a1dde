"""MQTT over WebSocket: the checks of the TCP listener, and what only frames can do wrong. test_conformance.py has the rest."""

import asyncio
import ssl
import time
from contextlib import suppress

import psutil
import pytest
from wsproto.events import BytesMessage, CloseConnection, Ping, TextMessage

from broker.api import Lane
from broker.embedded.codec import PINGRESP, encode_publish
from broker.embedded.limits import Limits
from iotsphere import topics
from tests.support.brokers import TestBroker, running_broker
from tests.support.mqtt_raw import PINGREQ, RawClient, connect
from tests.support.mqtt_websocket import WebSocketClient, answer_to
from tests.support.pki import Pki
from tests.support.waiting import until

pytestmark = pytest.mark.integration
READINGS = topics.telemetry("d")
BINARY, CONTINUATION, FINAL, MASKED = 0x02, 0x00, 0x80, 0x80


async def session(it: TestBroker, id: str = "d") -> WebSocketClient:
    it.over = WebSocketClient
    client = await it.client(id)
    assert isinstance(client, WebSocketClient)
    return client


def frame(first: int, payload: bytes, mask: bool = True) -> bytes:
    """A frame with the mask 0."""
    return bytes((first, (MASKED if mask else 0) | len(payload))) + (bytes(4) if mask else b"") + payload


def request(port: int, **changes: str) -> bytes:
    headers = {
        "Host": f"localhost:{port}", "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Protocol": "mqtt", **changes,
    }  # fmt: skip
    return "\r\n".join(["GET /mqtt HTTP/1.1", *(f"{n}: {v}" for n, v in headers.items()), "\r\n"]).encode()


def reasons(it: TestBroker) -> list[tuple[str, str]]:
    return [(category, reason) for _, category, reason, _ in it.listener.refused]


# ── who gets in ────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_without_a_certificate_of_ours_there_is_no_handshake(pki: Pki) -> None:
    async with running_broker(pki) as it:
        nobody = ssl.create_default_context(cafile=str(pki.authority.ca_file))
        with suppress(OSError):
            assert await answer_to(it.wss_port, nobody, request(it.wss_port)) == b""
        await until(lambda: reasons(it) == [("tls", "peer did not return a certificate")])


async def test_a_revoked_certificate_is_refused_and_so_is_another_ones_id(pki: Pki) -> None:
    async with running_broker(pki, over=WebSocketClient) as it:
        it.device("d")
        it.device("e")
        serial = it.pki.issue("d").serial
        client = await it.open("e")
        client.write(connect("d"))
        assert await client.packet() == b"\x20\x02\x00\x02"
        await client.ended()
        await client.close()
        it.registry.revoked_serials.add(serial)
        client = await it.open("d")
        client.write(connect("d"))
        assert await client.packet() == b"\x20\x02\x00\x05"
        await client.ended()
        assert [category for category, _ in reasons(it)] == ["client_id", "tls"]
        await client.close()


async def test_a_page_of_another_site_cannot_use_the_certificate_of_its_visitor(pki: Pki) -> None:
    async with running_broker(pki, origins=("https://panel.example",)) as it:
        it.device("d")
        for origin, status in (
            ("https://evil.example", b"403"), ("null", b"403"), (f"http://localhost:{it.wss_port}", b"403"),
        ):  # fmt: skip
            answer = await answer_to(it.wss_port, pki.client("d"), request(it.wss_port, Origin=origin))
            assert answer.split()[1] == status
        assert reasons(it)[0] == (
            "protocol", "WebSocket: a page of https://evil.example may not connect: see IOTSPHERE_WSS_ORIGINS"
        )  # fmt: skip
        assert len(reasons(it)) == 3
        assert it.listener.refused[0][0] == "d"
        assert it.broker.websockets.open == 0


async def test_giant_headers_are_not_kept(pki: Pki) -> None:
    async with running_broker(pki) as it:
        it.device("d")
        answer = await answer_to(it.wss_port, pki.client("d"), b"GET /mqtt HTTP/1.1\r\n" + b"X: " + b"y" * 10_000)
        assert answer.split()[1] == b"431"


@pytest.mark.parametrize("is_open", [False, True], ids=["request", "CONNECT"])
async def test_a_handshake_that_trickles_ends_in_time(pki: Pki, is_open: bool) -> None:
    async with running_broker(pki, Limits(connect_seconds=0.3, sweep_seconds=0.05)) as it:
        it.device("d")
        reader, writer = await asyncio.open_connection("127.0.0.1", it.wss_port, ssl=pki.client("d"), server_hostname="localhost")
        if is_open:
            writer.write(request(it.wss_port))
            assert b"101" in await reader.readuntil(b"\r\n\r\n")
        began, ended = time.monotonic(), asyncio.create_task(reader.read(1))
        for byte in frame(FINAL | BINARY, connect("d")) if is_open else request(it.wss_port):
            if ended.done():
                break
            writer.write(bytes((byte,)))
            await asyncio.sleep(0.1)
        else:
            raise AssertionError("it was let in")
        assert time.monotonic() - began < 4
        assert it.listener.refused[0][1:3] == ("protocol", "no CONNECT within 0.3 s")
        writer.close()


async def test_each_listener_has_its_own_bound_of_connections(pki: Pki) -> None:
    async with running_broker(pki, Limits(connections=1)) as it:
        tcp, websocket = await it.client("a"), await session(it, "b")
        for port in (it.port, it.wss_port):
            with pytest.raises(OSError):
                await RawClient.open(port, pki.client("c"))
        assert (it.broker.arrivals.turned_away, it.broker.wss_arrivals.turned_away) == (1, 1)
        await websocket.leave()
        again = await session(it, "b")
        await tcp.alive()
        for client in (tcp, again):
            await client.close()


# ── frames ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_packets_may_span_frames_and_share_them(pki: Pki) -> None:
    async with running_broker(pki) as it:
        client = await session(it)
        packets = PINGREQ * 3
        for byte in packets[:3]:  # a packet and a half, a frame for each byte
            client.write(bytes((byte,)))
        client.write(packets[3:])  # the rest of one and another
        raw = client.raw[1]
        raw.write(frame(BINARY, PINGREQ[:1]) + frame(CONTINUATION, b"") + frame(FINAL | CONTINUATION, PINGREQ[1:]))
        assert [await client.packet() for _ in range(4)] == [PINGRESP] * 4
        await client.close()


async def test_a_ping_is_answered_and_keeps_no_session_alive(pki: Pki) -> None:
    async with running_broker(pki, Limits(sweep_seconds=0.1)) as it:
        it.over = WebSocketClient
        it.device("d")
        client = await WebSocketClient.session(it.wss_port, pki.client("d"), "d", keep_alive=1)
        for number in range(40):
            if client.closed is not None:
                break
            with suppress(OSError):
                client.raw[1].write(client.frames.send(Ping(b"%d" % number)))
            await asyncio.sleep(0.1)
        assert client.pongs[:2] == [b"0", b"1"]
        await until(lambda: it.listener.presence[-1].reason == "keep_alive")
        await client.close()


@pytest.mark.parametrize(
    ("data", "code", "reason"),
    [
        (frame(FINAL | 0x01, b"text"), 1003, "WebSocket: a text frame"),
        (frame(FINAL | BINARY, PINGREQ, mask=False), 1002, "WebSocket: "),
        (frame(FINAL | CONTINUATION, PINGREQ), 1002, "WebSocket: "),
        (frame(FINAL | 0x40 | BINARY, PINGREQ), 1002, "WebSocket: "),
        (frame(FINAL | 0x0B, b""), 1002, "WebSocket: "),
        (frame(0x09, b"ping in pieces"), 1002, "WebSocket: "),
    ],
    ids=["text", "unmasked", "continuation of nothing", "compressed", "unknown kind", "ping in pieces"],
)
async def test_a_frame_that_may_not_be_closes_the_connection_after_what_came_before(
    pki: Pki, data: bytes, code: int, reason: str
) -> None:
    async with running_broker(pki) as it:
        client = await session(it)
        client.raw[1].write(frame(FINAL | BINARY, PINGREQ) + data + frame(FINAL | BINARY, PINGREQ))
        assert await client.packet() == PINGRESP
        await client.ended()
        assert client.closed == code
        assert it.listener.refused[0][1] == "protocol"
        assert it.listener.refused[0][2].startswith(reason)
        assert it.listener.presence[-1].reason == "protocol"
        await until(lambda: it.broker.websockets.open == 0)
        await client.close()


async def test_a_packet_over_the_bound_ends_the_connection_however_it_is_cut(pki: Pki) -> None:
    async with running_broker(pki, Limits(packet_bytes=1000)) as it:
        client = await session(it)
        client.raw[1].write(frame(BINARY, b"\x30\xff\x7f"))
        await client.ended()
        assert it.listener.refused[0][1] == "protocol"
        await client.close()


async def test_both_ends_may_close(pki: Pki) -> None:
    async with running_broker(pki) as it:
        client = await session(it)
        client.raw[1].write(client.frames.send(CloseConnection(code=1001)))
        await client.ended()
        assert client.closed == 1001
        assert it.listener.presence[-1].reason == "network"  # no DISCONNECT was sent
        await client.close()
        client = await session(it)
        await it.broker.kick("d", "kicked")
        await client.ended()
        assert client.closed == 1000
        assert it.listener.presence[-1].reason == "kicked"
        await client.cut_off(4)  # when the client's Close has come, not five seconds later
        await client.close()


async def test_a_peer_that_resets_leaves_nothing_behind(pki: Pki) -> None:
    async with running_broker(pki) as it:
        for _ in range(5):
            (await session(it)).vanish()
            (await it.open("d")).vanish()
        await until(lambda: it.broker.websockets.open == 0 and not it.broker._connections)
        assert it.broker.connected() == {}


# ── bounds ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_who_sends_while_the_store_is_away_is_not_read_and_loses_nothing(pki: Pki) -> None:
    async with running_broker(pki) as it:
        calm = await it.client("calm")
        client = await session(it)
        it.ingest.gates[Lane.TELEMETRY].clear()
        sending = asyncio.create_task(_publish(client, 4000))
        await until(lambda: it.broker.health().paused_sockets == 1)
        await calm.alive()
        assert it.broker.health().pending_messages < 1000
        it.ingest.gates[Lane.TELEMETRY].set()
        await sending
        assert [int.from_bytes((await client.packet())[2:], "big") for _ in range(4000)] == list(range(1, 4001))
        await client.close()
        await calm.close()


async def _publish(client: WebSocketClient, count: int) -> None:
    for number in range(1, count + 1):
        client.publish(READINGS, b"x" * 1000, number)
        await client.writer.drain()


async def test_who_takes_no_answers_is_not_read(pki: Pki) -> None:
    async with running_broker(pki, Limits(rate=1e9, burst=1e9, unread_bytes=100_000)) as it:
        calm, client = await it.client("calm"), await session(it)
        client.raw[0]._transport.pause_reading()  # type: ignore[attr-defined]
        before = psutil.Process().memory_info().rss
        ping = client.frames.send(Ping(b"x" * 100)) * 500
        sending = asyncio.create_task(_flood(client, ping))
        await until(lambda: it.broker.health().paused_sockets == 1, 20)
        await calm.alive()
        assert psutil.Process().memory_info().rss - before < 40 << 20
        sending.cancel()
        client.vanish()
        await client.close()
        await calm.close()


async def _flood(client: WebSocketClient, data: bytes) -> None:
    while True:
        client.raw[1].write(data)
        await client.raw[1].drain()


def cut(packet: bytes, size: int) -> bytes:
    """A packet, so many bytes in a frame."""
    return b"".join(frame(FINAL | BINARY, packet[start : start + size]) for start in range(0, len(packet), size))


@pytest.mark.parametrize(
    "what",
    [
        frame(FINAL | 0x09, b"") * 5000,
        (frame(BINARY, b"") + frame(FINAL | CONTINUATION, b"")) * 5000,
        cut(encode_publish(READINGS, b"x" * 16_000, 0, 0), 2),
        cut(encode_publish(READINGS, b"x" * 100_000, 0, 0), 100),
    ],
    ids=["pings", "empty", "two bytes", "a hundred bytes"],
)
async def test_frames_that_end_no_packet_count_for_the_rate_and_hold_nobody_up(pki: Pki, what: bytes) -> None:
    async with running_broker(pki, Limits(rate=2000, burst=500)) as it:
        calm, client = await it.client("calm"), await session(it)
        sending = asyncio.create_task(_flood(client, what))
        reading = asyncio.create_task(_slowest(calm))
        await until(lambda: it.broker.throttled >= 1)
        assert await reading < 0.25
        sending.cancel()
        client.vanish()
        await client.close()
        await calm.close()


async def test_a_frame_for_each_packet_costs_no_more_than_the_packet(pki: Pki) -> None:
    async with running_broker(pki, Limits(rate=1, burst=1000)) as it:
        client = await session(it)
        client.raw[1].write(frame(FINAL | BINARY, PINGREQ) * 900)
        assert [await client.packet() for _ in range(900)] == [PINGRESP] * 900
        assert it.broker.throttled == 0
        await client.close()


async def _slowest(client: RawClient) -> float:
    slowest = 0.0
    for _ in range(50):
        began = time.monotonic()
        await client.alive()
        slowest = max(slowest, time.monotonic() - began)
        await asyncio.sleep(0.005)
    return slowest


async def test_a_text_message_in_the_middle_of_nothing_is_no_mqtt_either(pki: Pki) -> None:
    async with running_broker(pki, over=WebSocketClient) as it:
        it.device("d")
        client = await it.open("d")
        assert isinstance(client, WebSocketClient)
        client.raw[1].write(client.frames.send(TextMessage("hello")) + client.frames.send(BytesMessage(connect("d"))))
        await client.ended()
        assert client.closed == 1003
        assert it.listener.presence == []
        await client.close()
