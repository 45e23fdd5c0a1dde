"""What a device of a known type may say."""

from typing import Any

import pytest

from device_sdk.typed import Typed
from iotsphere.errors import InvalidInput
from iotsphere.messages import CommandRequest
from tests.support.pump import PUMP


def request(name: str, **params: Any) -> CommandRequest:
    return CommandRequest(id="c", name=name, params=params, issued_at=0, expires_at=1)


def test_an_unknown_measurement_is_named_and_so_are_those_that_there_are() -> None:
    Typed(PUMP).check_values({"flow": 1.0, "pressure": 2})
    with pytest.raises(InvalidInput, match=r"values\.fl0w: test_pump has no such measurement; it has flow, pressure"):
        Typed(PUMP).check_values({"flow": 1.0, "fl0w": 2.0})


def test_a_value_out_of_its_range_is_the_truth_and_goes_out() -> None:
    Typed(PUMP).check_values({"flow": 1e6})
    Typed(PUMP).check_report({"speed": 99_999, "mode": "unheard of"})


@pytest.mark.parametrize(
    ("properties", "message"), [({"colour": "red"}, "reported.colour"), ({"speed": "fast"}, "must be an integer")]
)
def test_an_unknown_property_or_another_kind_of_value_is_named(properties: dict[str, Any], message: str) -> None:
    Typed(PUMP).check_report({"speed": None, "hours": 7.5})
    with pytest.raises(InvalidInput, match=message):
        Typed(PUMP).check_report(properties)


def test_an_unknown_command_is_named() -> None:
    Typed(PUMP).check_handler("prime")
    with pytest.raises(InvalidInput, match="it has prime, stop"):
        Typed(PUMP).check_handler("fly")


def test_an_answer_to_a_wish_is_checked_by_the_value_in_it() -> None:
    Typed(PUMP).check_report({"speed": {"value": 900, "ac": 400, "ad": "too fast"}, "mode": {"ac": 202, "av": 3}})
    with pytest.raises(InvalidInput, match=r"reported\.speed"):
        Typed(PUMP).check_report({"speed": {"value": "fast", "ac": 200}})


def test_parameters_are_checked() -> None:
    assert Typed(PUMP).parameters(request("prime", seconds=5)) == {"seconds": 5}
    with pytest.raises(InvalidInput, match=r"params\.seconds"):
        Typed(PUMP).parameters(request("prime", seconds=5000))


@pytest.mark.parametrize("typed", [Typed(None), Typed(PUMP, undeclared=True)])
def test_what_is_not_declared_is_allowed_where_that_was_said(typed: Typed) -> None:
    typed.check_values({"anything": 1.0})
    typed.check_report({"anything": "goes"})
    typed.check_handler("fly")
    assert typed.parameters(request("fly", high=True)) == {"high": True}
