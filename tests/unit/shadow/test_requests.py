"""What is a well-formed shadow request."""

from typing import Any

import msgspec
import pytest

from shadow.requests import Rejected, parse_request, parse_update, token_of


def body(**fields: Any) -> bytes:
    return msgspec.json.encode(fields)


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (b"", 400),
        (b"{", 400),
        (b"[]", 400),
        (b'{"state": {"desired": {"a": NaN}}}', 400),
        (b"[" * 5000, 400),
        (b'{"state": {"desired": {"a": "\xff\xfe"}}}', 415),
        (body(version=1), 400),
        (body(state=[]), 400),
        (body(state={"desired": 1}), 400),
        (body(state={"delta": {}}), 400),
        (body(state={}, version="1"), 400),
        (body(state={}, version=1.5), 400),
        (body(state={}, version=True), 400),
        (body(state={}, clientToken=1), 400),
        (body(state={}, clientToken="x" * 65), 400),
    ],
)
def test_malformed_updates_are_rejected(payload: bytes, code: int) -> None:
    with pytest.raises(Rejected) as rejected:
        parse_update(payload)
    assert rejected.value.code == code


def test_a_well_formed_update() -> None:
    update = parse_update(body(state={"desired": {"a": 1}, "reported": None}, version=3, clientToken="x" * 64, other="ignored"))
    assert (update.state, update.version, update.clientToken) == ({"desired": {"a": 1}, "reported": None}, 3, "x" * 64)
    assert parse_update(body(state=None)).state is None


def test_an_empty_get_is_a_get() -> None:
    assert parse_request(b"").clientToken is None
    assert parse_request(body(clientToken="t")).clientToken == "t"


def test_the_token_of_a_malformed_request_is_known() -> None:
    assert token_of(body(state=1, clientToken="t")) == "t"
    assert token_of(body(clientToken="x" * 65)) is None
    assert token_of(b"{") is None
