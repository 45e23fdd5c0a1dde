"""Readings on the wire, as the platform decodes them."""

import pytest

from device_sdk.outbox import Entry, Stream
from device_sdk.readings import Encoder, Encoding, Telemetry, framed
from ingest.decode import Telemetry as Decoded
from ingest.decode import decode_many, decode_one, is_packed
from iotsphere.errors import InvalidInput

ENCODINGS: list[Encoding] = ["json", "msgpack"]


def entries(encoding: Encoding, *counts: int) -> list[Entry]:
    encoder, made, seq = Encoder(encoding), [], 0
    for count in counts:
        readings = [Telemetry(1000.5 + n, {"x": n}, n, "b") for n in range(seq, seq + count)]
        seq += count
        made += [Entry(Stream.READING, "t", body, 1, count=held) for body, held in encoder.bodies(readings)]
    return made


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("counts", [(2,), (1, 1), (10, 5), (3, 13), (200, 1), (40_000, 30_000)])
def test_any_number_of_readings_is_one_list(encoding: Encoding, counts: tuple[int, ...]) -> None:
    payload = framed(entries(encoding, *counts))
    assert is_packed(payload) == (encoding == "msgpack")
    assert [message.seq for message in decode_many(payload)] == list(range(sum(counts)))


def test_one_reading_is_no_list() -> None:
    assert decode_one(framed(entries("json", 1))) == Decoded({"x": 0}, 1000.5, 0, "b")
    assert len(decode_many(framed(entries("msgpack", 1)))) == 1


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_what_was_lost_is_said_without_a_value(encoding: Encoding) -> None:
    payload = Encoder(encoding).lost("b", 3, 9)
    [found] = decode_many(payload) if is_packed(payload) else [decode_one(payload)]
    assert found == Decoded({}, boot="b", dropped=(3, 9))


def test_an_unknown_encoding_is_named() -> None:
    with pytest.raises(InvalidInput, match="encoding: must be one of json, msgpack"):
        Encoder("cbor")  # type: ignore[arg-type]
