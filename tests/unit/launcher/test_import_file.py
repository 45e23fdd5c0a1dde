"""What an import says on a terminal, and what it does not open."""

import os
from pathlib import Path

import pytest

from ingest.import_rows import Reject
from ingest.importing import Report
from iotsphere.errors import InvalidInput
from launcher.import_file import Wanted, opened, render


def test_a_reject_leaves_the_terminal_as_it_is() -> None:
    report = Report(lines=1, rejected=1, first=[Reject(2, "it is of \x1b[2J, and --device says t-1", [])])
    shown = render(report, 1.0, dry=False).splitlines()
    assert "line 2: it is of \\u001b[2J, and --device says t-1" in shown
    assert all(text.isprintable() for text in shown)


def test_what_was_there_already_is_said_apart() -> None:
    shown = render(Report(lines=5, stored=5, there=3, devices={"t-1"}), 1.0, dry=False)
    assert shown.startswith("5 readings of 1 devices are stored (already there: 3), 0 rejected")
    assert "already there" not in render(Report(lines=5, stored=5, devices={"t-1"}), 1.0, dry=False)


def wanted(file: Path, decimal: str = ".") -> Wanted:
    return Wanted(
        file=file, mapped={}, device=None, time_format="ms", timezone=None, delimiter=",", decimal=decimal, rejects=file
    )


def test_one_sign_cannot_be_both_delimiter_and_decimal(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("time,device,measurement,value\n")
    with pytest.raises(InvalidInput) as caught, opened(wanted(tmp_path / "in.csv", decimal=",")):
        pass
    assert caught.value.field == "decimal"


def test_a_pipe_and_a_header_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    pipe, broken = tmp_path / "pipe", tmp_path / "broken.csv"
    os.mkfifo(pipe)
    end = os.open(pipe, os.O_RDWR)  # so that nobody waits for the other one
    broken.write_text('time,"device\n1,t-1\n')
    try:
        for path, reason in ((pipe, "is a pipe"), (broken, "its first line must name the columns: unexpected end")):
            with pytest.raises(InvalidInput, match=reason), opened(wanted(path)):
                pass
    finally:
        os.close(end)
