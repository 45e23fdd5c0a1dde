"""Splits a TCP stream into MQTT packets. Pure: bytes in, offsets out."""

import sys
from collections.abc import Mapping

from broker.embedded.protocol import Level
from iotsphere.errors import DeviceError

CONNECT, CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP = 1, 2, 3, 4, 5, 6, 7
SUBSCRIBE, SUBACK, UNSUBSCRIBE, UNSUBACK, PINGREQ, PINGRESP, DISCONNECT = 8, 9, 10, 11, 12, 13, 14

# Low four bits of the first byte that each packet type must have when a client sends it (MQTT 3.1.1, table 2.2).
_FLAGS = {CONNECT: 0, PUBACK: 0, PUBREC: 0, PUBREL: 2, PUBCOMP: 0, SUBSCRIBE: 2, UNSUBSCRIBE: 2, PINGREQ: 0, DISCONNECT: 0}
_PUBLISHES = {0x30 | flags for flags in range(16) if flags & 6 != 6}  # QoS 3 does not exist
_VALID_FIRST: Mapping[Level, frozenset[int]] = {
    Level.V3_1_1: frozenset({(kind << 4) | flags for kind, flags in _FLAGS.items()} | _PUBLISHES),
}


class MalformedPacket(DeviceError):
    """The byte stream is not MQTT: the connection ends."""


Frame = tuple[int, int, int]


def split(buffer: bytes, limit: int, level: Level, most: int = sys.maxsize) -> tuple[list[Frame], int]:
    """Find whole packets.

    Args:
        buffer: what has arrived and is not consumed.
        limit: largest allowed packet, bytes.
        level: which MQTT the client speaks.
        most: so many packets at once.

    Returns:
        (first byte, start of body, end of body) of each packet, and the offset of the first byte not consumed.

    Raises:
        MalformedPacket: a first byte that no client may send, a length of more than four bytes, or a packet over the limit.
    """
    # One pass without a call per packet: 0.25 µs a packet, of 1.9 µs that the whole PUBLISH path took in the prototype.
    frames: list[Frame] = []
    valid = _VALID_FIRST[level]
    position, size = 0, len(buffer)
    for _ in range(most):
        if position + 2 > size:
            break
        first = buffer[position]
        if first not in valid:
            raise MalformedPacket(f"first byte 0x{first:02x}")
        length = buffer[position + 1]
        body = position + 2
        if length & 0x80:
            length, body = _long_length(buffer, position + 1, size)
            if body == 0:
                break
        end = body + length
        if end - position > limit:
            raise MalformedPacket(f"a packet of {length} bytes; at most {limit} are taken")
        if end > size:
            break
        frames.append((first, body, end))
        position = end
    return frames, position


def _long_length(buffer: bytes, start: int, size: int) -> tuple[int, int]:
    """Remaining length of more than one byte and the offset behind it; (0, 0) when it is not all there."""
    value, shift = 0, 0
    for offset in range(start, min(size, start + 4)):
        byte = buffer[offset]
        value |= (byte & 0x7F) << shift
        if not byte & 0x80:
            if byte == 0:
                raise MalformedPacket("a length with a superfluous byte")
            return value, offset + 1
        shift += 7
    if size >= start + 4:
        raise MalformedPacket("a length of more than four bytes")
    return 0, 0
