"""What lines become."""

import json
from dataclasses import replace

import pytest

from ingest.batch import moment_of
from ingest.import_columns import Columns
from ingest.import_lines import Record
from ingest.import_rows import Reject, Rows
from ingest.import_times import time_reader
from ingest.retention_rules import Retention
from tests.support.devices import TYPES, thermometer

NOW_MS = 1_767_268_800_000
LONG = Columns(0, 1, 2, [("", 3)], 4)
WIDE = Columns(0, None, None, [("temperature", 1), ("humidity", 2)], 3)


def read(
    columns: Columns, *fields: str, device: str | None = None, decimal: str = "."
) -> tuple[list[tuple[object, ...]], list[str]]:
    rejects: list[Reject] = []
    devices = {"t-1": thermometer(), "brief-1": replace(thermometer("brief-1"), organization="brief")}
    made = Rows(columns, time_reader("ms", None), device, devices, TYPES, Retention(30, shorter={"brief": 5}), NOW_MS, decimal)
    rows = made.read(Record(list(fields), 0, 7), rejects)
    assert all(reject.line == 7 and reject.fields == list(fields) for reject in rejects)
    return [(*row[:4], json.loads(row[4] or "null")) for row in rows], [reject.reason for reject in rejects]


def test_a_reading_is_marked_as_imported_and_judged_by_its_type() -> None:
    moment = moment_of(NOW_MS * 1000)
    good = read(LONG, str(NOW_MS), "t-1", "temperature", " 21.5 ")
    assert good == ([("t-1", moment, "temperature", 21.5, {"source": "import"})], [])
    [[*_, about]] = read(LONG, str(NOW_MS), "t-1", "temperature", "500")[0]
    assert about == {"source": "import", "quality": "out_of_range"}
    [[*_, value, about]] = read(LONG, str(NOW_MS), "t-1", "door", "TRUE")[0]
    assert (value, about["quality"]) == (1.0, "undeclared")


def test_a_decimal_comma_is_read_where_it_is_said() -> None:
    def value(text: str, decimal: str = ",") -> object:
        rows, reasons = read(LONG, str(NOW_MS), "t-1", "temperature", text, decimal=decimal)
        return rows[0][3] if rows else reasons[0]

    assert [value(text) for text in ("50,5", "-0,25", "1e-1", "7", "true")] == [50.5, -0.25, 0.1, 7.0, 1.0]
    assert value("50,5", ".") == "'50,5' is no number; if ',' is its decimal sign, say so: --decimal ,"
    assert value("50.5") == "'50.5' is no number; if '.' is its decimal sign, say so: --decimal ."
    assert value("1.234,5") == "'1.234,5' is no number"
    assert value("1,234,5") == "'1,234,5' is no number"


def test_empty_fields_of_a_wide_line_are_no_values_and_a_wrong_one_leaves_the_others() -> None:
    rows, reasons = read(WIDE, str(NOW_MS), "", "40", device="t-1")
    assert [(row[2], row[3]) for row in rows] == [("humidity", 40.0)]
    assert reasons == []
    rows, reasons = read(WIDE, str(NOW_MS), "warm", "40", device="t-1")
    assert [row[2] for row in rows] == ["humidity"]
    assert reasons == ["temperature: 'warm' is no number"]


def test_a_line_of_another_device_than_the_one_that_is_given_is_not_stored() -> None:
    assert read(LONG, str(NOW_MS), "t-2", "temperature", "1", device="t-1") == ([], ["it is of t-2, and --device says t-1"])
    for named in ("t-1", "", " "):
        rows, reasons = read(LONG, str(NOW_MS), named, "temperature", "1", device="t-1")
        assert ([row[0] for row in rows], reasons) == (["t-1"], []), named
    assert len(read(LONG, str(NOW_MS), "t-1", "temperature", "1", "", "")[0]) == 1  # a delimiter at the end


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        (("noon", "t-1", "temperature", "1"), "'noon' is no number of ms"),
        ((str(NOW_MS), "t-9", "temperature", "1"), "no device 't-9' is registered"),
        ((str(NOW_MS), "t-1", "2nd", "1"), "no measurement name"),
        ((str(NOW_MS), "t-1", "temperature", ""), "there is no value"),
        ((str(NOW_MS), "t-1", "temperature", "nan"), "no number that can be stored"),
        ((str(NOW_MS), "t-1", "temperature", "1_000"), "'1_000' is no number"),
        ((str(NOW_MS), "t-1", "temperature", "\u0661\u0662"), "is no number"),
        (("9" * 400, "t-1", "temperature", "1"), "is no number of ms"),
        (("9" * 40, "t-1", "temperature", "1"), "beyond every calendar"),
        ((str(NOW_MS), "t-1", "temperature"), "it has 3 fields, and 4 are needed"),
        ((str(NOW_MS), "t-1", "temperature", "44", "5"), "it has 5 fields, and the header has 4"),
        ((str(NOW_MS + 7_200_000), "t-1", "temperature", "1"), "2 h ahead"),
        ((str(NOW_MS - 31 * 86_400_000), "t-1", "temperature", "1"), "31.0 days ago: readings are kept for 30 days"),
        ((str(NOW_MS // 1000), "t-1", "temperature", "1"), "days ago"),
    ],
)  # fmt: skip
def test_what_is_not_stored_says_why(fields: tuple[str, ...], reason: str) -> None:
    rows, [told] = read(LONG, *fields)
    assert rows == []
    assert reason in told


def test_an_organization_that_keeps_less_gets_no_reading_that_would_go_the_next_night() -> None:
    week_ago = str(NOW_MS - 7 * 86_400_000)
    assert len(read(LONG, week_ago, "t-1", "temperature", "1")[0]) == 1
    rows, [reason] = read(LONG, week_ago, "brief-1", "temperature", "1")
    assert rows == []
    assert reason.startswith("7.0 days ago: readings are kept for 5 days; keep them longer with `iotsphere telemetry retention")
    assert "--org brief`" in reason
    assert len(read(LONG, str(NOW_MS - 4 * 86_400_000), "brief-1", "temperature", "1")[0]) == 1


def test_a_record_that_cannot_be_read_says_why() -> None:
    rejects: list[Reject] = []
    rows = Rows(LONG, time_reader("ms", None), None, {}, TYPES, Retention(30), NOW_MS)
    assert rows.read(Record(['1,"2'], 4, 7, "unexpected end of data"), rejects) == []
    assert rejects == [Reject(7, "unexpected end of data", ['1,"2'])]
