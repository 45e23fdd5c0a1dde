"""Which reported values are answers."""

from typing import Any

import pytest

from iotsphere.answers import ABSENT, Answer, answer_of, plain


def test_an_answer_is_taken_apart() -> None:
    assert answer_of({"value": 55, "ac": 400, "av": 7, "ad": "above 60 °C"}) == Answer(55, 400, 7, "above 60 °C")
    assert answer_of({"value": None, "ac": 200}) == Answer(None, 200, None, "")
    assert answer_of({"ac": 500, "av": 1}) == Answer(ABSENT, 500, 1, "")


@pytest.mark.parametrize(
    "value",
    [
        55, "ac", [200], {}, {"value": 1}, {"ac": 200}, {"value": 1, "ac": "200"}, {"value": 1, "ac": True},
        {"value": 1, "ac": 21}, {"value": 1, "ac": 200, "more": 1}, {"ac": 200, "av": "1"},
    ],
)  # fmt: skip
def test_everything_else_is_a_value(value: Any) -> None:
    assert answer_of(value) is None
    assert plain(value) == value


def test_the_value_is_taken_out_of_an_answer() -> None:
    assert plain({"value": {"a": 1}, "ac": 200}) == {"a": 1}
    assert plain({"ac": 400, "av": 3}) is None
