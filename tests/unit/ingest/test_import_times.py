"""Times in files."""

from zoneinfo import ZoneInfo

import pytest

from ingest.import_times import time_reader
from iotsphere.errors import InvalidInput, Refused

NOON = 1_767_268_800_000_000  # 2026-01-01T12:00:00Z


@pytest.mark.parametrize(
    ("form", "text", "micros"),
    [
        ("ms", "1767268800000", NOON),
        ("ms", "1767268800000.125", NOON + 125),
        ("s", "1767268800", NOON),
        ("s", "1767268800.25", NOON + 250_000),
        ("us", "1767268800000001", NOON + 1),
        ("rfc3339", "2026-01-01T12:00:00Z", NOON),
        ("rfc3339", "2026-01-01 13:00:00.000125+01:00", NOON + 125),
        ("%d.%m.%Y %H:%M %z", "01.01.2026 12:00 +0000", NOON),
    ],
)
def test_they_are_read_as_is_said(form: str, text: str, micros: int) -> None:
    assert time_reader(form, None)(text) == micros


def test_a_time_that_does_not_say_its_zone_is_read_in_the_one_that_is_given_or_refused() -> None:
    vienna = ZoneInfo("Europe/Vienna")
    assert time_reader("rfc3339", vienna)("2026-01-01T13:00:00") == NOON
    assert time_reader("%Y-%m-%d %H:%M", vienna)("2026-07-01 14:00") == NOON + 181 * 86_400_000_000
    with pytest.raises(Refused, match="--timezone"):
        time_reader("rfc3339", None)("2026-01-01T13:00:00")


@pytest.mark.parametrize("text", ["2026-10-25T02:30:00", "2026-03-29T02:30:00"])
def test_a_local_time_that_comes_twice_or_never_is_refused(text: str) -> None:
    read = time_reader("rfc3339", ZoneInfo("Europe/Vienna"))
    with pytest.raises(Refused, match="twice or never"):
        read(text)
    assert read(text + "+02:00") == read(text.replace("02:30", "00:30") + "Z")


@pytest.mark.parametrize(
    ("form", "text"),
    [("ms", "noon"), ("rfc3339", "31.01.2026"), ("%d.%m.%Y", "2026"), ("s", ""),
     ("ms", "9" * 400), ("ms", "1_7"), ("ms", "1767268800000.1_0"), ("ms", "\u0661\u0662"), ("ms", "1e308"), ("s", "nan")],
)  # fmt: skip
def test_what_is_no_time_is_refused(form: str, text: str) -> None:
    with pytest.raises(Refused):
        time_reader(form, None)(text)


def test_what_is_no_format_is_named() -> None:
    with pytest.raises(InvalidInput, match="time-format"):
        time_reader("iso", None)
