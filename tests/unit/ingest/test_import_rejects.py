"""The file of rejects."""

import csv
from pathlib import Path

import pytest

from ingest.import_rejects import RejectsFile
from ingest.import_rows import Reject
from iotsphere.errors import InvalidInput


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "in.csv"
    path.write_text("time,device,measurement,value\n")
    return path


def test_lines_that_were_not_committed_are_cut_off(tmp_path: Path, source: Path) -> None:
    path = tmp_path / "r.csv"
    with source.open("rb") as file:
        rejects = RejectsFile(path, file)
        rejects.cut(0)
        size = rejects.append([Reject(2, "odd", ["a", "b"])], ["x", "y"], 0)
        rejects.append([Reject(3, "odd, too", ["c"])], ["x", "y"], size)
        rejects.cut(size)
        rejects.append([Reject(4, "last", ["d", "e"])], ["x", "y"], size)
    with path.open(newline="") as file_of_rejects:
        told = list(csv.reader(file_of_rejects))
    assert told == [["line", "reason", "x", "y"], ["2", "odd", "a", "b"], ["4", "last", "d", "e"]]


def test_one_of_an_earlier_import_makes_room(tmp_path: Path, source: Path) -> None:
    path = tmp_path / "r.csv"
    for before in ("line,reason,time\n2,odd,noon\n", ""):
        path.write_text(before)
        with source.open("rb") as file:
            RejectsFile(path, file).cut(0)
        assert not path.exists()


@pytest.mark.parametrize("size", [0, 3])
def test_no_other_file_is_touched(tmp_path: Path, source: Path, size: int) -> None:
    other, link = tmp_path / "notes.txt", tmp_path / "link.csv"
    other.write_text("line by line")
    link.symlink_to(source)
    for path, reason in ((other, "something else"), (source, "is imported"), (link, "is imported"), (tmp_path, "directory")):
        with source.open("rb") as file, pytest.raises(InvalidInput, match=reason):
            RejectsFile(path, file).cut(size)
    assert (other.read_text(), source.read_text()) == ("line by line", "time,device,measurement,value\n")


@pytest.mark.parametrize("left", [None, "line,reason,time\n2,od"])
def test_what_an_earlier_run_wrote_must_be_there(tmp_path: Path, source: Path, left: str | None) -> None:
    path = tmp_path / "r.csv"
    if left is not None:
        path.write_text(left)
    with source.open("rb") as file, pytest.raises(InvalidInput, match="lacks lines"):
        RejectsFile(path, file).cut(30)
    assert left is None or path.read_text() == left
