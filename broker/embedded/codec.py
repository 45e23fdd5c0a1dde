"""Packets that are not hot, decoded strictly (MQTT 3.1.1, chapter 3), and everything that the broker writes. Pure."""

from dataclasses import dataclass

from broker.embedded import protocol
from broker.embedded.framing import MalformedPacket
from broker.embedded.protocol import Level

ACCEPTED, BAD_LEVEL, BAD_CLIENT_ID, UNAVAILABLE, NOT_AUTHORIZED = 0, 1, 2, 3, 5
SUBACK_REFUSED = 0x80
PINGRESP = b"\xd0\x00"
PUBACK, PUBREC, PUBREL, PUBCOMP, UNSUBACK = 0x40, 0x50, 0x62, 0x70, 0xB0  # first bytes


@dataclass(frozen=True, slots=True)
class Will:
    """What to publish when the connection ends without a DISCONNECT."""

    topic: str
    payload: bytes
    qos: int
    retain: bool


@dataclass(frozen=True, slots=True)
class Connect:
    """A CONNECT. ``level`` is None when the one that was ``asked`` for is not spoken: the caller answers that."""

    asked: int
    level: Level | None
    client_id: str
    clean_session: bool
    keep_alive: int
    will: Will | None


class _Reader:
    """Reads fields from a packet's body and never beyond it."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, count: int) -> bytes:
        end = self._at + count
        if end > len(self._data):
            raise MalformedPacket("a field ends behind its packet")
        found = self._data[self._at : end]
        self._at = end
        return found

    def byte(self) -> int:
        return self.take(1)[0]

    def number(self) -> int:
        return int.from_bytes(self.take(2), "big")

    def binary(self) -> bytes:
        return self.take(self.number())

    def text(self) -> str:
        return text(self.binary())

    @property
    def left(self) -> int:
        return len(self._data) - self._at

    def done(self) -> None:
        if self.left:
            raise MalformedPacket(f"{self.left} bytes too many")


def text(data: bytes) -> str:
    """An MQTT string.

    Raises:
        MalformedPacket: not UTF-8, or with a NUL.
    """
    try:
        found = data.decode()
    except UnicodeDecodeError as error:
        raise MalformedPacket("a string that is not UTF-8") from error
    if "\0" in found:
        raise MalformedPacket("a string with a NUL")
    return found


def decode_connect(body: bytes) -> Connect:
    """Decode a CONNECT. User name and password are read over: the certificate says who it is.

    Raises:
        MalformedPacket: as the standard demands.
    """
    reader = _Reader(body)
    name, number = reader.binary(), reader.byte()
    if not protocol.is_mqtt(name):
        raise MalformedPacket(f"protocol {name[:16]!r}")
    level = protocol.spoken(name, number)
    if level is None:
        return Connect(number, None, "", True, 0, None)
    flags, keep_alive = reader.byte(), reader.number()
    _check_flags(flags)
    client_id = reader.text()
    will = Will(reader.text(), reader.binary(), flags >> 3 & 3, bool(flags & 0x20)) if flags & 0x04 else None
    if flags & 0x80:
        reader.text()
    if flags & 0x40:
        reader.binary()
    reader.done()
    return Connect(number, level, client_id, bool(flags & 0x02), keep_alive, will)


def _check_flags(flags: int) -> None:
    will, qos, retain = flags & 0x04, flags >> 3 & 3, flags & 0x20
    if flags & 0x01 or qos == 3 or (not will and (qos or retain)) or flags & 0xC0 == 0x40:
        raise MalformedPacket(f"CONNECT flags 0x{flags:02x}")


@dataclass(frozen=True, slots=True)
class Publish:
    """A PUBLISH, for whom a few microseconds do not matter."""

    topic: bytes
    payload: bytes
    qos: int


def decode_publish(first: int, body: bytes) -> Publish:
    """Decode a PUBLISH; the topic is not looked at.

    Raises:
        MalformedPacket: as the standard demands.
    """
    reader, qos = _Reader(body), first >> 1 & 3
    topic = reader.binary()
    if qos:
        _packet_id(reader)
    return Publish(topic, reader.take(reader.left), qos)


def decode_subscribe(body: bytes, most: int) -> tuple[int, list[tuple[str, int]]]:
    """Packet id and (filter, QoS) pairs.

    Raises:
        MalformedPacket: as the standard demands, and when there are more than ``most``.
    """
    reader = _Reader(body)
    packet_id, wanted = _packet_id(reader), []
    while reader.left:
        topic_filter, qos = reader.text(), reader.byte()
        if qos > 2:
            raise MalformedPacket(f"requested QoS {qos}")
        wanted.append((topic_filter, qos))
        if len(wanted) > most:
            raise MalformedPacket(f"more than {most} filters in a SUBSCRIBE")
    if not wanted:
        raise MalformedPacket("a SUBSCRIBE without a filter")
    return packet_id, wanted


def decode_unsubscribe(body: bytes, most: int) -> tuple[int, list[str]]:
    """Packet id and filters.

    Raises:
        MalformedPacket: as the standard demands, and when there are more than ``most``.
    """
    reader = _Reader(body)
    packet_id, filters = _packet_id(reader), []
    while reader.left:
        filters.append(reader.text())
        if len(filters) > most:
            raise MalformedPacket(f"more than {most} filters in an UNSUBSCRIBE")
    if not filters:
        raise MalformedPacket("an UNSUBSCRIBE without a filter")
    return packet_id, filters


def decode_packet_id(body: bytes) -> int:
    """The id in a PUBACK, PUBREC, PUBREL or PUBCOMP.

    Raises:
        MalformedPacket: another length, or zero.
    """
    reader = _Reader(body)
    packet_id = _packet_id(reader)
    reader.done()
    return packet_id


def _packet_id(reader: _Reader) -> int:
    packet_id = reader.number()
    if packet_id == 0:
        raise MalformedPacket("packet id 0")
    return packet_id


def encode_connack(code: int, session_present: bool = False) -> bytes:
    """A CONNACK."""
    return bytes((0x20, 2, int(session_present and code == ACCEPTED), code))


def encode_suback(packet_id: int, codes: list[int]) -> bytes:
    """A SUBACK."""
    return b"\x90" + encode_length(2 + len(codes)) + packet_id.to_bytes(2, "big") + bytes(codes)


def encode_ack(first: int, packet_id: int) -> bytes:
    """PUBACK, PUBREC, PUBREL, PUBCOMP or UNSUBACK, by its first byte."""
    return bytes((first, 2)) + packet_id.to_bytes(2, "big")


def encode_publish(topic: str, payload: bytes, qos: int, packet_id: int = 0, dup: bool = False, retain: bool = False) -> bytes:
    """A PUBLISH."""
    name = topic.encode()
    head = len(name).to_bytes(2, "big") + name + (packet_id.to_bytes(2, "big") if qos else b"")
    return bytes((0x30 | (dup << 3) | (qos << 1) | retain,)) + encode_length(len(head) + len(payload)) + head + payload


def encode_length(length: int) -> bytes:
    """The remaining length (MQTT 3.1.1, section 2.2.3)."""
    encoded = bytearray()
    while True:
        length, byte = length >> 7, length & 0x7F
        if not length:
            encoded.append(byte)
            return bytes(encoded)
        encoded.append(byte | 0x80)
