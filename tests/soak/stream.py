"""An endless row of messages of one device, encoded when they are sent: the same number is the same message, however often."""

from collections.abc import Sequence

from broker.embedded.codec import encode_publish
from iotsphere import topics
from tests.bench.wire import MAX_PACKET_ID, MESSAGES_APART_MS, Reading, payload

_ACKNOWLEDGEMENTS = b"".join(b"\x40\x02" + packet_id.to_bytes(2, "big") for packet_id in range(1, MAX_PACKET_ID + 1))


class EndlessStream:
    """Messages by number, and the PUBACKs that must come back in the same order.

    Args:
        device: its id.
        readings: one value of each in every message.
        first_ms: timestamp of message 0; each later one is MESSAGES_APART_MS newer.
    """

    def __init__(self, device: str, readings: Sequence[Reading], first_ms: int) -> None:
        self.device, self.readings, self.first_ms = device, readings, first_ms
        self._topic = topics.telemetry(device)

    def messages(self, first: int, count: int) -> bytes:
        """The bytes of some consecutive messages."""
        return b"".join(map(self._message, range(first, first + count)))

    def acknowledgements(self, first: int, count: int) -> bytes:
        """What acknowledges them."""
        start = first % MAX_PACKET_ID
        found = _ACKNOWLEDGEMENTS[start * 4 : (start + count) * 4]
        return found + _ACKNOWLEDGEMENTS[: count * 4 - len(found)]

    def _message(self, number: int) -> bytes:
        content = payload(self.readings, self.first_ms + number * MESSAGES_APART_MS, number)
        return encode_publish(self._topic, content, 1, number % MAX_PACKET_ID + 1)
