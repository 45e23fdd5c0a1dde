"""The framing core: however the stream is cut, the packets are the same."""

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from broker.embedded.framing import MalformedPacket, split
from broker.embedded.protocol import Level, is_mqtt, spoken
from tests.support.malformed import VALID_FIRST
from tests.support.mqtt_raw import packet

LIMIT = 3000
packets = st.lists(st.builds(packet, st.sampled_from(sorted(VALID_FIRST)), st.binary(max_size=300)), max_size=8)
cuts = st.lists(st.integers(0, 2000), max_size=12)
NOISE = st.binary(max_size=40) | st.lists(st.sampled_from([0x10, 0x30, 0x32, 0xC0, 0xE0, 0x00, 0x01, 0x02, 0x80, 0xFF])).map(
    bytes
)


def feed(data: bytes, at: list[int]) -> tuple[list[tuple[int, bytes]], bytes, bool]:
    """Packets, what is left, and whether it went well, when the stream arrives cut at these places."""
    places = [0, *sorted(min(place, len(data)) for place in at), len(data)]
    found, buffer = [], b""
    for start, end in pairwise(places):
        buffer += data[start:end]
        try:
            frames, consumed = split(buffer, LIMIT, Level.V3_1_1)
        except MalformedPacket:
            return found, buffer, False
        found += [(first, buffer[a:b]) for first, a, b in frames]
        buffer = buffer[consumed:]
    return found, buffer, True


@given(packets, cuts, st.binary(max_size=1))
def test_any_split_of_a_stream_gives_the_same_packets(sent: list[bytes], at: list[int], rest: bytes) -> None:
    stream = b"".join(sent) + (b"\x30\x05" + rest if rest else b"")
    found, left, ok = feed(stream, at)
    assert ok
    assert [packet(first, body) for first, body in found] == sent
    assert left == stream[sum(map(len, sent)) :]
    assert feed(stream, list(range(len(stream)))) == (found, left, True)


@given(packets, NOISE, cuts)
@example([], b"\x30\x80\x00", [])
@example([packet(0xC0, b"")], b"\x30\xff\xff\xff\xff", [3])
def test_noise_is_found_out_however_it_is_cut_and_gives_no_other_packets(sent: list[bytes], noise: bytes, at: list[int]) -> None:
    stream = b"".join(sent) + noise
    bytewise, left, ok = feed(stream, list(range(len(stream))))
    found, other, also_ok = feed(stream, at)
    assert also_ok is ok
    assert found == bytewise[: len(found)]
    if ok:
        assert (found, other) == (bytewise, left)


@pytest.mark.parametrize("length", [0, 1, 127, 128, 16_383, 16_384, 200_000])
def test_every_length_of_length(length: int) -> None:
    data = packet(0x30, b"x" * length)
    assert split(data, 1 << 20, Level.V3_1_1) == ([(0x30, len(data) - length, len(data))], len(data))


def test_the_bound_is_the_whole_packet_and_holds_before_it_has_arrived() -> None:
    assert split(packet(0x30, b"x" * 98), 100, Level.V3_1_1)[1] == 100
    with pytest.raises(MalformedPacket, match="at most 100"):
        split(packet(0x30, b"x" * 99)[:2], 100, Level.V3_1_1)


@pytest.mark.parametrize("first", sorted(set(range(256)) - VALID_FIRST))
def test_a_first_byte_that_no_client_may_send(first: int) -> None:
    with pytest.raises(MalformedPacket):
        split(bytes((first, 0)), 100, Level.V3_1_1)


def test_which_levels_are_spoken_is_decided_in_one_place() -> None:
    assert spoken(b"MQTT", 4) is Level.V3_1_1
    assert [spoken(b"MQTT", level) for level in (0, 3, 5, 0x84)] == [None] * 4
    assert spoken(b"MQIsdp", 3) is None
    assert (is_mqtt(b"MQIsdp"), is_mqtt(b"mqtt")) == (True, False)
