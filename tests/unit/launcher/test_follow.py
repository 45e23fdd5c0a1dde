"""`iotsphere logs`."""

from pathlib import Path

import pytest

from iotsphere.errors import Misconfigured
from launcher.follow import print_new, show


def test_the_last_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "edge.log").write_text("one\ntwo\nthree\n")
    show(tmp_path, "edge", 2, follow=False)
    assert capsys.readouterr().out == "two\nthree\n"


def test_what_a_program_has_logged_moves_no_cursor(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "postgres.log"
    log.write_text('FATAL:  role "\x1b[2J" does not exist\n\tSTATEMENT\n')
    show(tmp_path, "postgres", 2, follow=False)
    print_new(log, 0)
    assert capsys.readouterr().out == 'FATAL:  role "\\u001b[2J" does not exist\n\tSTATEMENT\n' * 2


@pytest.mark.parametrize("name", ["nothing", "../secrets/jwt"])
def test_a_log_that_is_not_there_names_those_that_are(tmp_path: Path, name: str) -> None:
    (tmp_path / "edge.log").write_text("")
    with pytest.raises(Misconfigured, match="there are: edge"):
        show(tmp_path, name, 10, follow=False)


def test_following_goes_on_after_a_rotation(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "edge.log"
    log.write_text("before the rotation\n")
    position = print_new(log, 0)
    log.write_text("after\n")
    assert print_new(log, position) == 6
    assert capsys.readouterr().out == "before the rotation\nafter\n"
