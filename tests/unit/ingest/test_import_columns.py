"""What the columns of a file are."""

import pytest

from ingest.import_columns import Columns, columns
from iotsphere.errors import InvalidInput


def test_one_reading_a_line() -> None:
    header = ["Time", "device", "measurement", "value", "unit", "source"]
    assert columns(header, {}, one_device=False) == Columns(0, 1, 2, [("", 3)], 6)
    assert columns(header, {}, one_device=True).device == 1
    assert columns([name for name in header if name != "device"], {}, one_device=True).device is None


def test_one_moment_a_line() -> None:
    header = ["ts", "temperature", "humidity", "quality"]
    assert columns(header, {}, one_device=True) == Columns(0, None, None, [("temperature", 1), ("humidity", 2)], 4)
    assert columns([*header, "device_id"], {}, one_device=False).device == 4


def test_what_the_caller_says_counts() -> None:
    header = ["Zeit", "Temp °C", "Feuchte", "Gerät"]
    mapped = {"time": "Zeit", "device": "Gerät", "temperature": "Temp °C"}
    assert columns(header, mapped, one_device=False) == Columns(0, 3, None, [("temperature", 1)], 4)


@pytest.mark.parametrize(
    ("header", "mapped", "reason"),
    [
        (["a", "b"], {}, "which column is the time"),
        (["time", "flow"], {}, "whose readings"),
        (["time", "device"], {}, "no column with values"),
        (["time", "device", "x", "x"], {}, "one name: x"),
        (["time", "device", "x"], {"flow": "y"}, "flow=y: there is no such column, but time, device, x"),
        (["time", "device", "=1+1"], {}, "'=1.1' is no measurement name.*--map NAME=COLUMN"),
        (["time", "device", "x", ""], {}, "'' is no measurement name"),
        (["time", "device", "x"], {"an x": "x"}, "'an x' is no measurement name"),
    ],
)
def test_what_is_missing_is_named(header: list[str], mapped: dict[str, str], reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason):
        columns(header, mapped, one_device=False)


def test_a_record_must_be_wide_enough() -> None:
    assert columns(["time", "device", "measurement", "value", "unit"], {}, one_device=False).width == 4
