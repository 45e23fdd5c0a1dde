"""Answers to what is desired, as the platform reads them."""

import pytest

from device_sdk import wishes
from device_sdk.shadow import DeviceShadow
from device_sdk.wishes import WishAnswer
from iotsphere.answers import answer_of
from shadow.document import Document, update


@pytest.mark.parametrize(
    ("answer", "code", "value", "text"),
    [
        (wishes.applied(60), 200, 60, ""),
        (wishes.in_progress("heating", value=40), 202, 40, "heating"),
        (wishes.refused("above 60 °C", value=60), 400, 60, "above 60 °C"),
        (wishes.refused("locked", value=False, code=423), 423, False, "locked"),
        (wishes.failed("the valve is stuck", value=0), 500, 0, "the valve is stuck"),
    ],
)
def test_the_platform_understands_it(answer: WishAnswer, code: int, value: object, text: str) -> None:
    found = answer_of(wishes.on_the_wire({"a": answer, "b": 1}, 7, {})["a"])
    assert found is not None
    assert (found.code, found.value, found.version, found.text) == (code, value, 7, text)


def test_what_holds_is_said_with_an_answer_that_does_not_change_it() -> None:
    reported = {"plain": 50.0, "answered": {"value": "eco", "ac": 202, "av": 1}}
    wire = wishes.on_the_wire({"plain": wishes.failed("stuck"), "answered": wishes.in_progress()}, 4, reported)
    assert wire == {
        "plain": {"value": 50.0, "ac": 500, "av": 4, "ad": "stuck"},
        "answered": {"value": "eco", "ac": 202, "av": 4, "ad": None},
    }


def test_a_value_that_is_not_said_is_left_out_and_plain_values_stay() -> None:
    assert wishes.on_the_wire({"a": wishes.in_progress(), "b": None}, 3, {}) == {"a": {"ac": 202, "av": 3, "ad": None}, "b": None}


def test_a_reason_does_not_outlive_its_answer() -> None:
    device, platform = DeviceShadow(), Document()
    device.unread(absent=True)
    for version, answer in enumerate((wishes.refused("above 60 °C", value=60), wishes.in_progress(), wishes.applied(58)), 1):
        device.report(wishes.on_the_wire({"a": answer}, version, {}))
        platform = update(platform, {"reported": device.take_report()}, 0.0)
        device.report_acknowledged()
        assert platform.reported == device.reported
        found = answer_of((platform.reported or {})["a"])
        assert found is not None
        assert (found.code, found.text) == (answer.code, answer.text)
