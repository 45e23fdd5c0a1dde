"""Payloads as people read them."""

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from ingest.payload_text import readable


@pytest.mark.parametrize(
    ("payload", "format", "text"),
    [
        (b'{"values":{"t":NaN,"\xc3\xa4":1e400}}', "json", '{\n  "values": {\n    "t": NaN,\n    "ä": Infinity\n  }\n}'),
        (b'{"values": {"t": 1', "text", '{"values": {"t": 1'),
        ("warm: 5 °C\r\n".encode(), "text", "warm: 5 °C\r\n"),
        ("cut in the middle: °".encode()[:-1], "text", "cut in the middle: "),
        (b"\x00\x01abc", "binary", "00 01 61 62 63                                   ..abc"),
        (b"", "text", ""),
        (b"\xff", "binary", "ff                                               ."),
    ],
)
def test_it_is_decoded_as_far_as_possible(payload: bytes, format: str, text: str) -> None:
    found = readable(payload)
    assert (found.format, found.text) == (format, text)


def test_messagepack_reads_like_json() -> None:
    found = readable(msgspec.msgpack.encode({"values": {"t": 1.5}, 7: b"\x01"}))
    assert found.format == "msgpack"
    assert json.loads(found.text) == {"values": {"t": 1.5}, "7": "b'\\x01'"}


def test_nesting_beyond_all_sense_is_text() -> None:
    assert readable(b"[" * 100_000).format == "text"


@pytest.mark.parametrize("encode", [msgspec.json.encode, msgspec.msgpack.encode])
def test_what_is_long_or_nested_deeply_is_not_made_longer(encode: Callable[[Any], bytes]) -> None:
    nested: Any = 1
    for _ in range(300):
        nested = [nested, 1]
    for given in ([nested] * 100, [{"a": n} for n in range(20_000)]):
        found = readable(encode(given))
        assert json.loads(found.text) == given
        assert len(found.text) < 2 * len(msgspec.json.encode(given))
