"""Event and status messages."""

import json
from typing import Any

import pytest

from ingest.batch import DeadLetter
from ingest.event_build import build
from ingest.event_table import EventRow, StatusRow
from ingest.validate import Window
from iotsphere.topics import Kind
from tests.support.devices import delivery

NOW = 1_764_000_000_000
WINDOW = Window.at(NOW, 30)


def event(payload: Any) -> Any:
    return build(delivery(payload, kind=Kind.EVENT, received_at=NOW), WINDOW)


def test_an_event() -> None:
    row = event({"ts": NOW - 1.5, "name": "door", "severity": "warning", "data": {"big": 2**60, "text": "ä"}})
    assert isinstance(row, EventRow)
    assert (row.device, row.name, row.severity, row.timestamp.timestamp() * 1000) == ("t-1", "door", "warning", NOW - 1.5)
    assert json.loads(row.data or "") == {"big": 2**60, "text": "ä"}


def test_an_event_without_a_time_or_severity() -> None:
    row = event({"name": "boot"})
    assert isinstance(row, EventRow)
    assert (row.severity, row.data, row.timestamp.timestamp() * 1000) == ("info", None, NOW)


@pytest.mark.parametrize(
    ("payload", "category"),
    [
        (b"x", "validation"),
        ({}, "validation"),
        ({"name": ""}, "validation"),
        ({"name": "a\0b"}, "validation"),
        ({"name": "x" * 101}, "validation"),
        ({"name": "a", "severity": "loud"}, "validation"),
        (b'{"name": "a", "data": {"x": NaN}}', "validation"),
        (b'{"name": "a", "ts": NaN}', "clock"),
        ({"name": "a", "ts": 5}, "clock"),
        ({"name": "a", "ts": NOW + 10**7}, "clock"),
    ],
)
def test_bad_events(payload: Any, category: str) -> None:
    found = event(payload)
    assert isinstance(found, DeadLetter)
    assert found.category == category


def test_an_event_nested_to_any_depth_is_stored_or_refused() -> None:
    ends: dict[str, list[type]] = {"json": [], "packed": []}
    for depth in [*range(800, 1010), 20_000]:
        text = b'{"name": "a", "data": ' + b'{"a":' * depth + b"1" + b"}" * depth + b"}"
        packed = b"\x82\xa4name\xa1a\xa4data" + b"\x81\xa1a" * depth + b"\x01"
        for how, payload in (("json", text), ("packed", packed)):
            ends[how].append(type(event(payload)))
    for found in ends.values():
        assert set(found) == {EventRow, DeadLetter}
        assert found[-1] is DeadLetter
    assert isinstance(event(b'{"a":' * 1500), DeadLetter)


def test_a_status_is_text() -> None:
    row = build(delivery(b" running \n", kind=Kind.STATUS, received_at=NOW), WINDOW)
    assert isinstance(row, StatusRow)
    assert (row.device, row.text) == ("t-1", "running")


@pytest.mark.parametrize("payload", [b"", b"  ", b"\xff", b"a\0b", b"x" * 1001])
def test_bad_statuses(payload: bytes) -> None:
    assert isinstance(build(delivery(payload, kind=Kind.STATUS), WINDOW), DeadLetter)
