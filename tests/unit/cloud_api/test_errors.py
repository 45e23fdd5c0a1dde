from typing import Any

import pytest
from litestar.exceptions import ValidationException
from litestar.testing import RequestFactory

from cloud_api import errors
from iotsphere.errors import (
    Conflict,
    Forbidden,
    InvalidInput,
    NotFound,
    PreconditionFailed,
    TooManyRequests,
    Unauthenticated,
)

REQUEST = RequestFactory().get()


@pytest.mark.parametrize(
    ("error", "status"),
    [(InvalidInput("a.b", "is wrong"), 422), (NotFound("x"), 404), (Conflict("x"), 409), (PreconditionFailed("x"), 412),
     (Unauthenticated("x"), 401), (Forbidden("x"), 403), (TooManyRequests("x"), 429)],
)  # fmt: skip
def test_each_kind_has_its_status(error: Any, status: int) -> None:
    answer = errors.on_caller_error(REQUEST, error)
    assert (answer.status_code, answer.content.status, answer.media_type) == (status, status, "application/problem+json")
    assert answer.content.field == ("a.b" if status == 422 else None)


@pytest.mark.parametrize(
    ("extra", "field", "reason"),
    [
        ({"key": "data", "message": "Object missing required field `name`"}, "name", "is missing"),
        ({"key": "params", "message": "Object contains unknown field `x`"}, "params.x", "is no field of this request"),
        ({"key": "limit", "message": "Expected `int` >= 1"}, "limit", "must be at least 1"),
        ({"message": "Missing required query parameter 'measurement' for path /x"}, "measurement", "is missing"),
        ({"message": "'data'"}, "body", "is missing"),
        ({"key": "data", "message": "Expected `object`, got `array`"}, "body", "must be an object"),
    ],
)
def test_the_wrong_field_is_named(extra: dict[str, str], field: str, reason: str) -> None:
    answer = errors.on_validation_error(REQUEST, ValidationException(extra=[extra]))
    assert [(e.field, e.reason) for e in answer.content.errors] == [(field, reason)]
    assert answer.content.field == field


def test_all_wrong_fields_are_named() -> None:
    answer = errors.on_caller_error(REQUEST, InvalidInput("a", "is missing", ("b", "is wrong")))
    assert [(e.field, e.reason) for e in answer.content.errors] == [("a", "is missing"), ("b", "is wrong")]
    assert answer.content.detail == "a: is missing; b: is wrong"


def test_a_known_wait_is_told_as_the_header_wants_it() -> None:
    assert errors.on_caller_error(REQUEST, TooManyRequests("x", 12.1)).headers["Retry-After"] == "13"
    assert "Retry-After" not in errors.on_caller_error(REQUEST, TooManyRequests("x")).headers


def test_fifty_wrong_fields_are_told_and_that_there_are_more() -> None:
    answer = errors.on_caller_error(REQUEST, InvalidInput("f0", "x", *((f"f{number}", "x") for number in range(1, 51))))
    assert [e.field for e in answer.content.errors] == [f"f{number}" for number in range(50)]
    assert answer.content.detail.endswith("f49: x; and more")
    answer = errors.on_caller_error(REQUEST, InvalidInput("f0", "x", *((f"f{number}", "x") for number in range(1, 50))))
    assert (len(answer.content.errors), answer.content.detail[-6:]) == (50, "f49: x")


def test_a_very_long_name_is_told_by_its_beginning() -> None:
    extra = [{"key": "data", "message": f"Object contains unknown field `{'a' * 900_000}`"}]
    [told] = errors.on_validation_error(REQUEST, ValidationException(extra=extra)).content.errors
    assert told.field == "a" * errors.LONGEST + "…"


def test_a_text_of_ours_that_is_no_utf_8_is_our_mistake() -> None:
    error = UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte")
    assert errors.on_no_text(RequestFactory().post(data={"user": "ä"}), error).status_code == 500
