"""Logs stay within their bound, and their end can be read."""

import os
from pathlib import Path

from launcher.logfiles import older, rotate, tail


def test_a_writer_in_append_mode_goes_on_after_a_rotation(tmp_path: Path) -> None:
    path = tmp_path / "edge.log"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.write(descriptor, b"first line\n" * 10)
    assert rotate(path, limit=50)
    os.write(descriptor, b"after\n")
    os.close(descriptor)
    assert path.read_text() == "after\n"
    assert older(path).read_text() == "first line\n" * 10
    assert older(path).stat().st_mode & 0o777 == 0o600


def test_a_small_log_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "edge.log"
    assert not rotate(path, limit=50)
    path.write_text("short")
    assert not rotate(path, limit=50)
    assert path.read_text() == "short"


def test_the_tail_reaches_over_a_rotation(tmp_path: Path) -> None:
    path = tmp_path / "edge.log"
    older(path).write_text("one\ntwo\n")
    path.write_text("three\n")
    assert tail(path, 2) == ["two", "three"]
    assert tail(tmp_path / "none.log", 5) == []
