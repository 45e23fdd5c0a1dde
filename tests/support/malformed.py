"""Byte streams that are not MQTT 3.1.1, made from a table: what is wrong → what is sent."""

from collections.abc import Iterator

from broker.embedded.codec import encode_length
from tests.support.mqtt_raw import connect, field, packet

NOT_UTF8 = {
    "a lone continuation byte": b"a\x80",
    "a sequence cut off": b"a\xe2\x82",
    "an overlong slash": b"\xc0\xaf",
    "an overlong NUL": b"\xc0\x80",
    "a surrogate": b"\xed\xa0\x80",
    "beyond the last character": b"\xf4\x90\x80\x80",
    "a byte that never occurs": b"\xff",
    "NUL": b"a\x00b",
}
# The first bytes that a client may send: CONNECT, PUBLISH of QoS 0 to 2, acknowledgements, SUBSCRIBE …
VALID_FIRST = {0x10, 0x40, 0x50, 0x62, 0x70, 0x82, 0xA2, 0xC0, 0xE0} | {0x30 | f for f in range(16) if f & 6 != 6}
TOPIC = "iot/v1/d/telemetry"
WITH_ID = {"PUBACK": 0x40, "PUBREC": 0x50, "PUBREL": 0x62, "PUBCOMP": 0x70}


def before_connect(client: str) -> dict[str, bytes]:
    """Streams for a new connection."""
    return dict(_connects(client)) | dict(_no_connects())


def after_connect(client: str) -> dict[str, bytes]:
    """Streams for a connection whose CONNECT was accepted."""
    cases: dict[str, bytes] = {f"first byte 0x{b:02x}": bytes((b, 2, 0, 1)) for b in range(256) if b not in VALID_FIRST}
    cases["a second CONNECT"] = connect(client)
    for part in (_lengths, _publishes, _subscriptions, _acknowledgements):
        cases |= dict(part())
    return cases


def _no_connects() -> Iterator[tuple[str, bytes]]:
    for first in sorted(VALID_FIRST - {0x10}):
        yield f"0x{first:02x} before CONNECT", packet(first, b"\x00\x01")
    yield "PUBLISH before CONNECT", packet(0x30, field(TOPIC) + b"{}")
    yield "HTTP", b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
    yield "zeros", bytes(64)


def _connects(client: str) -> Iterator[tuple[str, bytes]]:
    whole = connect(client, will=("iot/v1/d/status", b"gone"), user="somebody")
    body = whole[2:]
    for length in range(len(body)):
        if length not in (7,):  # this one is a CONNECT of a level that lacks its flags, and says so
            yield f"CONNECT cut to {length} bytes", packet(0x10, body[:length])
    yield "CONNECT with a byte too many", packet(0x10, body + b"\x00")
    for flags in range(1, 16):
        yield f"CONNECT with flags {flags}", bytes((0x10 | flags,)) + whole[1:]
    for name in (b"", b"MQTX", b"mqtt", b"MQTTT", b"MQ\xff\xff"):
        yield f"protocol {name!r}", packet(0x10, field(name) + body[6:])
    for flags, what in _CONNECT_FLAGS.items():
        yield what, packet(0x10, body[:7] + bytes((flags,)) + body[8:])
    for what, text in NOT_UTF8.items():
        head = field("MQTT") + b"\x04"
        yield f"client id: {what}", packet(0x10, head + b"\x02\x00\x3c" + field(text))
        yield f"will topic: {what}", packet(0x10, head + b"\x06\x00\x3c" + field(client) + field(text) + field("x"))
        yield f"user name: {what}", packet(0x10, head + b"\x82\x00\x3c" + field(client) + field(text))


_CONNECT_FLAGS = {
    0x03: "the reserved flag",
    0x1E: "a will of QoS 3",
    0x0A: "will QoS 1 without a will",
    0x12: "will QoS 2 without a will",
    0x22: "will retain without a will",
    0x3A: "will QoS 3 and retain without a will",
    0x42: "a password without a user name",
}


def _lengths() -> Iterator[tuple[str, bytes]]:
    for first in sorted(VALID_FIRST):
        yield f"0x{first:02x} with a length of five bytes", bytes((first, 0xFF, 0xFF, 0xFF, 0xFF, 0x01))
        yield f"0x{first:02x} with a superfluous length byte", bytes((first, 0x82, 0x00, 0, 1))
        yield f"0x{first:02x} of 256 MB", bytes((first, 0xFF, 0xFF, 0xFF, 0x7F))
    yield "a packet just over the bound", b"\x30" + encode_length(256 * 1024)


def _publishes() -> Iterator[tuple[str, bytes]]:
    for length in range(1, len(TOPIC) + 2):
        yield f"PUBLISH cut to {length} bytes", packet(0x32, field(TOPIC)[:length])
    yield "PUBLISH of QoS 1 with half a packet id", packet(0x32, field(TOPIC) + b"\x00")
    yield "PUBLISH without a body", packet(0x30, b"")
    for qos in (1, 2):
        yield f"PUBLISH of QoS {qos} with packet id 0", packet(0x30 | qos << 1, field(TOPIC) + b"\x00\x00{}")
    yield "PUBLISH with RETAIN and packet id 0", packet(0x33, field(TOPIC) + b"\x00\x00{}")
    yield "PUBLISH with RETAIN, too short", packet(0x31, b"\x00\x09ab")
    for topic in ("", "#", "+", "iot/v1/+/telemetry", "iot/v1/d/#", "iot/v1/d/telem+etry", "a#b"):
        yield f"PUBLISH to {topic!r}", packet(0x30, field(topic) + b"{}")
        yield f"PUBLISH of QoS 1 to {topic!r}", packet(0x32, field(topic) + b"\x00\x01{}")
    for what, text in NOT_UTF8.items():
        yield f"PUBLISH topic: {what}", packet(0x32, field(text) + b"\x00\x01{}")


def _subscriptions() -> Iterator[tuple[str, bytes]]:
    for first, name, tail in ((0x82, "SUBSCRIBE", b"\x01"), (0xA2, "UNSUBSCRIBE", b"")):
        whole = b"\x00\x01" + field("iot/v1/d/#") + tail
        for length in range(len(whole)):
            yield f"{name} cut to {length} bytes", packet(first, whole[:length])
        yield f"{name} with packet id 0", packet(first, b"\x00\x00" + whole[2:])
        yield f"{name} with a byte too many", packet(first, whole + b"\x00")
        for what, text in NOT_UTF8.items():
            yield f"{name} filter: {what}", packet(first, b"\x00\x01" + field(text) + tail)
    for qos in (3, 4, 0x80, 0xFF):
        yield f"SUBSCRIBE with QoS {qos}", packet(0x82, b"\x00\x01" + field("iot/v1/d/#") + bytes((qos,)))


def _acknowledgements() -> Iterator[tuple[str, bytes]]:
    for name, first in WITH_ID.items():
        for body in (b"", b"\x00", b"\x00\x00", b"\x00\x01\x00"):
            yield f"{name} with body {body!r}", packet(first, body)
    for name, first in (("PINGREQ", 0xC0), ("DISCONNECT", 0xE0)):
        yield f"{name} with a body", packet(first, b"\x00")
