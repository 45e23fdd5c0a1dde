from typing import Annotated

import msgspec
import pytest

from cloud_api.body import MOST_ERRORS, wrong_fields


class Part(msgspec.Struct):
    size: int


class Shape(msgspec.Struct, forbid_unknown_fields=True, rename={"from_": "from"}):
    name: Annotated[str, msgspec.Meta(min_length=2)]
    from_: int
    parts: list[Part] = []
    code: Annotated[str, msgspec.Meta(extra_json_schema={"extra": {"pattern": "^[a-z]$"}})] = "a"


def test_every_wrong_field_is_found_in_their_order_and_those_that_are_none_at_the_end() -> None:
    found = wrong_fields({"colour": 1, "name": "x", "parts": [{"size": 1}, {"size": "big"}], "code": "A"}, Shape)
    assert [(one["key"], one["message"]) for one in found] == [
        ("name", "Expected `str` of length >= 2"),
        ("data", "Object missing required field `from`"),
        ("parts[1].size", "Expected `int`, got `str`"),
        ("code", "Expected `str` matching regex '^[a-z]$'"),
        ("data", "Object contains unknown field `colour`"),
    ]


def test_what_is_right_is_not_named() -> None:
    assert wrong_fields({"name": "xy", "from": 1, "parts": [{"size": 1, "more": 2}], "code": "b"}, Shape) == []


@pytest.mark.parametrize(("raw", "shape"), [([], Shape), (None, Shape), ({"a": 1}, dict), ({"a": 1}, list[int])])
def test_there_are_fields_only_where_an_object_shall_be_one(raw: object, shape: object) -> None:
    assert wrong_fields(raw, shape) == []


def test_the_search_ends_with_one_more_than_is_told() -> None:
    found = wrong_fields({f"u{number}": 1 for number in range(90_000)}, Shape)
    assert len(found) == MOST_ERRORS + 1
    assert found[-1]["message"] == f"Object contains unknown field `u{MOST_ERRORS - 2}`"  # two are missing
