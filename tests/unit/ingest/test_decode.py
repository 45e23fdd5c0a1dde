"""Telemetry payloads."""

import math

import msgspec
import pytest

from ingest.decode import LooseTelemetry, decode_loosely, decode_many, decode_one
from ingest.refusals import LETTERS_OF_A_MESSAGE, Refusals
from iotsphere.errors import Refused
from tests.support.devices import delivery


def test_numbers_and_booleans_stay_what_they_are() -> None:
    found = decode_one(b'{"ts": 1.5, "seq": 7, "values": {"a": 1, "b": 2.5, "c": true}, "else": {}}')
    assert found.ts == 1.5
    assert [(type(v), v) for v in found.values.values()] == [(int, 1), (float, 2.5), (bool, True)]


@pytest.mark.parametrize("payload", [b'{"values": {"a": "x"}}', b'{"ts": "1", "values": {}}', b"{}", b"[]", b"", b"\xff"])
def test_whatever_is_not_plain_is_left_to_the_patient_decoder(payload: bytes) -> None:
    with pytest.raises((msgspec.DecodeError, UnicodeDecodeError)):
        decode_one(payload)


def test_lists_and_messagepack_are_taken() -> None:
    message = {"ts": 5, "values": {"a": 1}}
    assert [m.ts for m in decode_many(b'[{"ts": 5, "values": {"a": 1}}, {"ts": 6, "values": {}}]')] == [5, 6]
    assert [m.values for m in decode_many(msgspec.msgpack.encode(message))] == [{"a": 1}]
    assert [m.values for m in decode_many(msgspec.msgpack.encode([message, message]))] == [{"a": 1}, {"a": 1}]


def test_the_patient_decoder_takes_what_python_writes_for_what_json_does_not_have() -> None:
    [found] = decode_loosely(
        b'{"seq": "odd", "values": {"a": NaN, "b": -Infinity, "c": 1e400, "d": "x", "e": 123456789012345678901234}}', Refusals()
    )
    assert isinstance(found, LooseTelemetry)
    assert math.isnan(found.values["a"])
    assert found.values["b"] == -math.inf
    assert found.values["c"] == math.inf
    assert found.values["e"] == 123456789012345678901234


def test_an_object_of_another_outline_is_refused_alone() -> None:
    refusals = Refusals()
    payload = b'[{"values": {}}, 5, {"values": []}, {"ts": "now", "values": {}}, {"ts": true, "values": {}}]'
    [good] = decode_loosely(payload, refusals)
    assert isinstance(good, LooseTelemetry)
    letters = list(refusals.letters(delivery(payload)))
    assert [letter.category for letter in letters] == ["validation"] * 4
    assert "$.ts" in letters[2].reason


@pytest.mark.parametrize(
    "payload", [b"", b"hello", b"\xff\xfe\xfd", b"[" * 100_000, b'{"values": {"a": ' + b"9" * 5000 + b"}}", b"\x80\x01", b"\xc1"]
)
def test_what_is_no_json_is_refused_whole(payload: bytes) -> None:
    with pytest.raises(Refused) as caught:
        decode_loosely(payload, Refusals())
    assert caught.value.category == "validation"


def test_what_is_good_in_a_list_of_nonsense_is_found() -> None:
    refusals = Refusals()
    items = [b"7"] * (LETTERS_OF_A_MESSAGE + 5) + [b'{"values": {}}'] * 3
    assert len(decode_loosely(b"[" + b",".join(items) + b"]", refusals)) == 3
    assert len(refusals) == LETTERS_OF_A_MESSAGE + 5
