"""What an import says on a terminal."""

from ingest.import_rows import Reject
from ingest.importing import Report
from launcher.import_file import render


def test_a_reject_leaves_the_terminal_as_it_is() -> None:
    report = Report(lines=1, rejected=1, first=[Reject(2, "it is of \x1b[2J, and --device says t-1", [])])
    shown = render(report, 1.0, dry=False).splitlines()
    assert "line 2: it is of \\u001b[2J, and --device says t-1" in shown
    assert all(text.isprintable() for text in shown)
