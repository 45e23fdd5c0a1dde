"""Deliveries in, rows and dead letters out."""

import json
import math
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.batch import DAY_US, Batch, Row, unix_us
from ingest.boots import BootOffsets
from ingest.build import VALUES_OF_A_MESSAGE, BatchBuilder
from ingest.ledger import Ledger
from ingest.names import NAMES
from ingest.refusals import LETTERS_OF_A_MESSAGE
from iotsphere.devices._spec import Measurement
from iotsphere.registry import DeviceRecord
from tests.support.devices import THERMOMETER, TYPES, delivery, thermometer

NOW = 1_764_000_000_000
UNDECLARED = '{"quality": "undeclared"}'


def build(*payloads: Any, boots: BootOffsets | None = None, **details: Any) -> Batch:
    ledger = Ledger()
    builder = BatchBuilder(TYPES, 30, boots or BootOffsets(), ledger)
    batch = builder.build([delivery(p, received_at=NOW, **details) for p in payloads], NOW)
    if not batch.strange:
        return batch
    ledger.learn(batch.strange, {})
    deferred, batch.deferred, batch.strange = batch.deferred, [], {}
    return builder.build(deferred, NOW, batch)


def values(batch: Batch) -> dict[str, tuple[float, str | None]]:
    return {row[2]: (row[3], row[4]) for row in batch.fresh.rows}


def moments(rows: list[Row]) -> list[int]:
    return [unix_us(row[1]) for row in rows]


def test_a_plain_message() -> None:
    batch = build({"ts": NOW, "seq": 1, "values": {"temperature": 21.5, "humidity": 40}})
    assert values(batch) == {"temperature": (21.5, None), "humidity": (40, None)}
    assert moments(batch.fresh.rows) == [NOW * 1000] * 2
    assert batch.days == {NOW * 1000 // DAY_US}
    assert batch.letters == []


@pytest.mark.parametrize(("ts", "micros"), [(NOW + 0.125, 125), (NOW + 0.001, 1), (NOW + 0.999, 999), (NOW + 0.9999, 1000)])
def test_the_time_is_kept_to_the_microsecond(ts: float, micros: int) -> None:
    assert moments(build({"ts": ts, "values": {"temperature": 1}}).fresh.rows) == [NOW * 1000 + micros]


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("temperature", 500, (500.0, '{"quality": "out_of_range"}')),
        ("temperature", True, (1.0, None)),
        ("door.open", True, (1.0, UNDECLARED)),
        ("pulses", 2**53, (2.0**53, None)),
        ("pulses", 1e200, (1e200, None)),
        ("strange", -0.5, (-0.5, UNDECLARED)),
    ],
)
def test_odd_values_are_stored_and_marked(name: str, value: Any, expected: tuple[float, str | None]) -> None:
    batch = build({"ts": NOW, "values": {name: value, "humidity": 1}})
    assert values(batch) == {name: expected, "humidity": (1, None)}
    assert batch.letters == []


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("pulses", str(2**53 + 1), "2^53"),
        ("pulses", "9" * 400, "2^53"),
        ("temperature", "NaN", "nan"),
        ("temperature", "1e400", "inf"),
        ("temperature", '"warm"', "a text"),
        ("temperature", "null", "null"),
        ("temperature", "[1]", "a list"),
        ("bad name", "1", "no measurement name"),
        ("a\\u0000b", "1", "no measurement name"),
        ("\\ud800", "1", "no measurement name"),
    ],
)
def test_a_bad_value_goes_to_the_dead_letters_and_the_others_are_stored(name: str, text: str, reason: str) -> None:
    batch = build(b'{"ts": %d, "values": {"%s": %s, "humidity": 40}}' % (NOW, name.encode(), text.encode()))
    assert values(batch) == {"humidity": (40.0, None)}
    [letter] = batch.letters
    assert letter.category == "validation"
    assert reason in letter.reason
    assert letter.measurement is not None


def test_a_message_of_a_list_that_is_bad_leaves_the_others() -> None:
    batch = build(
        [
            {"ts": NOW, "values": {"temperature": 1}},
            {"ts": 5, "values": {"temperature": 2}},
            7,
            {"ts": NOW + 1, "values": {"humidity": 3}},
        ]
    )
    assert values(batch) == {"temperature": (1.0, None), "humidity": (3.0, None)}
    assert [(letter.category, letter.measurement) for letter in batch.letters] == [("validation", None), ("clock", None)]


@pytest.mark.parametrize("payload", [b"", b"hello", b'{"ts": 1', b"\xc1", b"5", b"null", b'{"ts": "x", "values": {}}'])
def test_a_message_that_is_none_becomes_one_letter(payload: bytes) -> None:
    batch = build(payload)
    assert not batch.fresh
    [letter] = batch.letters
    assert (letter.category, letter.payload) == ("validation", payload)


@pytest.mark.parametrize("ts", ["NaN", "1e400", "-1e400", "1e300", "0", str(NOW + 600_000), str(NOW // 1000)])
def test_a_bad_time_refuses_the_message_by_its_clock(ts: str) -> None:
    batch = build(b'{"ts": %s, "values": {"temperature": 1, "humidity": 2}}' % ts.encode())
    assert not batch.fresh
    assert [letter.category for letter in batch.letters] == ["clock"]


def test_a_message_full_of_bad_values_leaves_a_bounded_number_of_letters() -> None:
    batch = build({"ts": NOW, "values": {f"v{n}": "text" for n in range(1000)}})
    assert len(batch.letters) == LETTERS_OF_A_MESSAGE + 1
    assert "980 more" in batch.letters[-1].reason


def test_a_good_value_is_stored_however_many_bad_ones_come_before_it() -> None:
    batch = build({"ts": NOW, "values": {f"v{n}": "text" for n in range(900)} | {"temperature": 21.5}})
    assert values(batch) == {"temperature": (21.5, None)}
    readings = [{"ts": NOW + n, "values": {"temperature": n, "bad": "text"}} for n in range(100)]
    assert len(build(readings).fresh) == 100


@pytest.mark.parametrize("item", [b"7", b'{"ts":5,"values":{}}', b'{"ts":5,"values":{"a":""}}'])
def test_a_list_of_bad_messages_leaves_as_many_letters(item: bytes) -> None:
    batch = build(b"[" + b",".join([item] * 5000) + b"]")
    assert len(batch.letters) == LETTERS_OF_A_MESSAGE + 1
    assert f"{5000 - LETTERS_OF_A_MESSAGE} more" in batch.letters[-1].reason


def test_of_a_message_so_many_values_are_looked_at_and_no_more() -> None:
    wide = replace(THERMOMETER, measurements=tuple(Measurement(f"m{n}", "M", high=0) for n in range(VALUES_OF_A_MESSAGE + 200)))
    builder = BatchBuilder({wide.key: wide}, 30, BootOffsets(), Ledger())
    payload = {"ts": NOW, "values": {measurement.key: 1 for measurement in wide.measurements}}
    batch = builder.build([delivery(payload, received_at=NOW)], NOW)
    assert len(batch.fresh) == VALUES_OF_A_MESSAGE
    assert [letter.reason for letter in batch.letters] == ["too many measurement names: 200 values are not stored"]


@pytest.mark.parametrize("payload", [b'{"a":' * 1500, b'{"values":{"a":' * 1500, b"\x81\xa1a" * 40_000, b"[" * 100_000])
def test_a_message_nested_without_end_becomes_a_letter_and_its_neighbours_rows(payload: bytes) -> None:
    good = {"ts": NOW, "values": {"temperature": 1}}
    batch = build(good, payload, good)
    assert len(batch.fresh.rows) == 2
    assert [(letter.category, letter.payload[:3]) for letter in batch.letters] == [("validation", payload[:3])]


def test_a_device_uses_so_many_undeclared_names_and_no_more() -> None:
    builder = BatchBuilder(TYPES, 30, BootOffsets(), Ledger())
    for start in (0, 200, 400):
        payload = {"ts": NOW + start, "values": {"temperature": 1} | {f"m{start + n}": n for n in range(200)}}
        batch = builder.build([delivery(payload, received_at=NOW)], NOW)
        assert values(batch)["temperature"] == (1, None)
    names = {row[2] for row in batch.fresh.rows}
    assert names == {"temperature"}
    assert batch.letters[0].reason == "too many measurement names: 200 values are not stored"
    again = builder.build([delivery({"ts": NOW + 1, "values": {"m0": 1}}, received_at=NOW)], NOW)
    assert values(again) == {"m0": (1, UNDECLARED)}
    assert NAMES == 256


def test_messagepack_with_what_json_has_not() -> None:
    batch = build(msgspec.msgpack.encode({"ts": NOW, "values": {"temperature": math.nan, "humidity": 5.5}}))
    assert values(batch) == {"humidity": (5.5, None)}
    assert [letter.measurement for letter in batch.letters] == ["temperature"]


def test_a_simulated_device_is_marked_whatever_it_says() -> None:
    batch = build({"ts": NOW, "values": {"temperature": 1, "x": 2}}, device=thermometer(kind="simulated"))
    assert [json.loads(row[4] or "{}") for row in batch.fresh.rows] == [
        {"source": "simulation"},
        {"source": "simulation", "quality": "undeclared"},
    ]


def test_a_device_of_an_unknown_type_has_declared_nothing() -> None:
    batch = build({"ts": NOW, "values": {"temperature": 1}}, device=DeviceRecord("x", "default", "gone", "device", "active"))
    assert values(batch) == {"temperature": (1.0, UNDECLARED)}


def test_what_may_be_repeated_is_kept_apart_and_every_row_knows_its_delivery() -> None:
    builder = BatchBuilder(TYPES, 30, BootOffsets(), Ledger())
    sent = [
        delivery({"ts": NOW + n, "values": {"temperature": n, "humidity": n}}, device=thermometer(f"t-{n}"), repeated=n % 2 == 1)
        for n in range(4)
    ]
    batch = builder.build(sent, NOW)
    assert [row[0] for row in batch.doubtful.rows] == ["t-1", "t-1", "t-3", "t-3"]
    for rows in (batch.fresh, batch.doubtful):
        assert [rows.origin(n).device.id for n in range(len(rows))] == [row[0] for row in rows.rows]


def test_arrival_time_is_made_unique_within_a_device() -> None:
    batch = build({"values": {"temperature": 1}}, {"values": {"temperature": 2}}, [{"values": {"temperature": 3}}])
    assert moments(batch.fresh.rows) == [NOW * 1000, NOW * 1000 + 1, NOW * 1000 + 2]


def test_an_unknown_boot_waits_and_a_known_one_gives_the_time() -> None:
    boots = BootOffsets()
    first, later = (
        {"boot": "b1", "up": 1000, "values": {"temperature": 1}},
        {"boot": "b1", "up": 61_000.5, "values": {"temperature": 2}},
    )
    batch = build(first, later, {"ts": NOW, "values": {"humidity": 1}}, boots=boots)
    assert [json.loads(d.payload) for d in batch.deferred] == [first, later]
    assert [row[2] for row in batch.fresh.rows] == ["humidity"]
    assert batch.unknown == {("t-1", "b1"): NOW * 1000 - 61_000_500}, "the message that waited least tells the clock best"
    boots.learn(batch.unknown)
    assert moments(build(first, later, boots=boots).fresh.rows) == [NOW * 1000 - 60_000_500, NOW * 1000]


def test_a_list_waits_whole_for_its_boot() -> None:
    batch = build([{"ts": NOW, "values": {"temperature": 1}}, {"boot": 7, "up": 1, "values": {"temperature": 2}}])
    assert not batch.fresh
    assert batch.unknown.keys() == {("t-1", "7")}


@pytest.mark.parametrize(("boot", "up"), [("", 1), ("x" * 65, 1), ("a\0", 1), ("b", -1), ("b", 1e300)])
def test_a_bad_boot_is_refused(boot: str, up: float) -> None:
    batch = build({"boot": boot, "up": up, "values": {"temperature": 1}})
    assert [letter.category for letter in batch.letters] == ["validation"]
    assert batch.unknown == {}


@given(
    st.binary(max_size=200)
    | st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    ).map(lambda x: json.dumps(x).encode())
)
def test_nothing_raises(payload: bytes) -> None:
    build(payload)


@given(
    st.dictionaries(
        st.text(max_size=5), st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=3), max_size=15
    )
)
def test_every_value_is_stored_or_refused(found: dict[str, Any]) -> None:
    batch = build({"ts": NOW, "values": found})
    assert len(batch.fresh) + len(batch.letters) == len(found)
    assert all(math.isfinite(row[3]) for row in batch.fresh.rows)
