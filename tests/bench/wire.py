"""Messages of one device, encoded before the clock runs: the generator then only hands slices of them to the socket."""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass

from broker.embedded.codec import encode_publish
from iotsphere import topics

MAX_PACKET_ID = 65535
MESSAGES_APART_MS = 1  # so two messages of a device never have the same key


@dataclass(frozen=True, slots=True)
class Reading:
    """A measurement that the generator sends, and between which values."""

    key: str
    low: float
    high: float


class Stream:
    """PUBLISHes in order, and the PUBACKs that must come back in the same order.

    Args:
        device: its id.
        readings: one value of each in every message.
        first_ms: timestamp of the first message; each later one is MESSAGES_APART_MS newer.
        count: messages.
    """

    def __init__(self, device: str, readings: Sequence[Reading], first_ms: int, count: int) -> None:
        self.device = device
        self.count = count
        self._ends = array("q", [0])
        sent, acks, topic = bytearray(), bytearray(), topics.telemetry(device)
        for number in range(count):
            packet_id = number % MAX_PACKET_ID + 1
            sent += encode_publish(topic, payload(readings, first_ms + number * MESSAGES_APART_MS, number), 1, packet_id)
            acks += b"\x40\x02" + packet_id.to_bytes(2, "big")
            self._ends.append(len(sent))
        self._sent, self._acks = memoryview(bytes(sent)), memoryview(bytes(acks))

    def messages(self, first: int, count: int) -> memoryview:
        """The bytes of some consecutive messages."""
        return self._sent[self._ends[first] : self._ends[first + count]]

    def acknowledgements(self, first: int, count: int) -> memoryview:
        """What acknowledges them."""
        return self._acks[first * 4 : (first + count) * 4]


def payload(readings: Sequence[Reading], ts: int, number: int) -> bytes:
    """One message; its values move, and stay inside their range."""
    values = ",".join(f'"{reading.key}":{value(reading, number):.2f}' for reading in readings)
    return b'{"ts":%d,"seq":%d,"values":{%s}}' % (ts, number, values.encode())


def value(reading: Reading, number: int) -> float:
    """The value of a reading in the message of this number."""
    return reading.low + (reading.high - reading.low) * (number % 97) / 97
