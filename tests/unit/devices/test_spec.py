"""What is said of wrong wishes."""

from collections.abc import Callable
from typing import Any

import pytest

from iotsphere.devices._spec import Property, value_fault
from iotsphere.errors import InvalidInput
from tests.support.pump import PUMP


def said(check: Callable[..., object], *arguments: Any) -> dict[str, str]:
    with pytest.raises(InvalidInput) as wrong:
        check(*arguments)
    assert (wrong.value.field, wrong.value.reason) == wrong.value.errors[0]
    return dict(wrong.value.errors)


def test_every_wrong_parameter_is_named() -> None:
    prime = PUMP.command("prime")
    assert said(PUMP.check_params, prime, {"seconds": 99, "b": 1, "a": 2}) == {
        "params.a": "prime has no such parameter",
        "params.b": "prime has no such parameter",
        "params.seconds": "must be at most 60 s",
    }
    assert said(PUMP.check_params, prime, {}) == {"params.seconds": "is missing"}
    PUMP.check_params(prime, {"seconds": 1})


def test_every_wrong_wish_is_named() -> None:
    assert said(PUMP.check_desired, {"speed": -1, "mode": "x", "hours": 1, "colour": "red", "unset": None}) == {
        "desired.speed": "must be at least 0 1/min",
        "desired.mode": "must be one of eco, full",
        "desired.hours": "is read-only",
        "desired.colour": "test_pump has no such property",
        "desired.unset": "test_pump has no such property",
    }
    PUMP.check_desired({"speed": None, "mode": "eco"})


def test_the_wrong_channel_is_refused_with_the_right_one() -> None:
    assert said(PUMP.command, "speed") == {
        "name": "'speed' is a setting that lasts, no command: set desired.speed in the device's shadow"
    }
    assert said(PUMP.check_desired, {"stop": True}) == {
        "desired.stop": "is a command, which happens once: send the command 'stop' instead"
    }
    assert said(PUMP.command, "hours") == {"name": "test_pump has no command 'hours'; it has prime, stop"}


@pytest.mark.parametrize(
    ("kind", "value", "fault"),
    [
        ("number", True, "must be a number"), ("integer", 1.5, "must be an integer"), ("boolean", 1, "must be a boolean"),
        ("string", 1, "must be a string"), ("number", 1, None), ("integer", 1, None), ("boolean", False, None),
        ("string", "", None),
    ],
)  # fmt: skip
def test_a_value_has_the_declared_type(kind: Any, value: Any, fault: str | None) -> None:
    assert value_fault(Property("p", "P", kind), value) == fault
