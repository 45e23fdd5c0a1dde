"""What is printed of a message."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from launcher.mqtt_lines import Heard, Rates, decode, json_line, line


def heard(payload: bytes, topic: str = "iot/v1/d/event", **flags: bool) -> Heard:
    return Heard(1_700_000_000.1234, topic, payload, 1, flags.get("retain", False), flags.get("dup", False))


@pytest.mark.parametrize(
    ("payload", "form", "text"),
    [
        (b'{"values":{"a":1.5}}', "json", '{"values": {"a": 1.5}}'),
        (msgspec.msgpack.encode({"values": {"a": 1.5}}), "msgpack", '{"values": {"a": 1.5}}'),
        (b"ready", "text", "ready"),
        ("bereit für".encode(), "text", "bereit für"),
        (b"\xff\x00\x10", "hex", "ff 00 10"),
        (b"two\nlines", "hex", "74 77 6f 0a 6c 69 6e 65 73"),
        (b"", "empty", "(empty)"),
    ],
)
def test_payloads_are_decoded_as_far_as_they_can_be(payload: bytes, form: str, text: str) -> None:
    decoded = decode(payload)
    assert (decoded.form, decoded.text) == (form, text)


def test_a_line_tells_time_topic_and_flags() -> None:
    one = heard(b"{}", retain=True, dup=True)
    clock, _, rest = line(one, decode(one.payload)).partition("  ")
    assert clock.endswith("20.123")
    assert rest == "iot/v1/d/event  QoS 1  RETAINED DUP  {}"


def test_an_object_for_programs() -> None:
    one = heard(b"\xff")
    assert json.loads(json_line(one, decode(one.payload))) == {
        "at": "2023-11-14T22:13:20.123+00:00", "topic": "iot/v1/d/event", "qos": 1, "retain": False, "dup": False,
        "format": "hex", "payload": "ff",
    }  # fmt: skip


def test_no_device_moves_the_cursor() -> None:
    assert "\x1b" not in decode(b'{"a": "\\u001b[2J"}').text
    csi = '{"a": "\x9b2J"}'.encode()
    assert "\x9b" not in decode(csi).text
    assert "\x9b" not in json_line(heard(csi), decode(csi))


@given(st.binary(max_size=60))
def test_any_payload_makes_one_printable_line_and_one_object(payload: bytes) -> None:
    one = heard(payload)
    assert line(one, decode(payload)).isprintable()
    assert json_line(one, decode(payload)).isprintable()
    json.loads(json_line(one, decode(payload)))


def test_rates_are_of_the_time_since_the_last_look() -> None:
    rates = Rates()
    for topic in ("a", "b", "b"):
        rates.add(heard(b"12345", topic))
    found = [json.loads(text) for text in rates.lines(0.0, 2.0, as_json=True)]
    assert [(r["topic"], r["messages_per_s"], r["bytes_per_s"]) for r in found] == [("b", 1.0, 5), ("a", 0.5, 2)]
    assert rates.lines(0.0, 2.0, as_json=False) == []
