"""Which files the rules are about."""

import subprocess
from pathlib import Path

from tests.support import tree


def test_what_git_ignores_is_no_part_of_the_repository(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    (tmp_path / ".gitignore").write_bytes((tree.ROOT / ".gitignore").read_bytes())
    for name in ("README.md", "devices/heater.key", "iotsphere/devices/heater.py", ".iotsphere/certs/root.key"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    assert [str(path) for path in tree.listed(tmp_path)] == [".gitignore", "README.md", "iotsphere/devices/heater.py"]


def test_outside_git_it_is_every_file_that_no_tool_has_made(tmp_path: Path) -> None:
    for name in (
        "README.md",
        "devices/heater.key",
        "iotsphere/devices/heater.py",
        "broker/__pycache__/x.pyc",
        ".venv/bin/python",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    assert [str(path) for path in tree.listed(tmp_path)] == ["README.md", "iotsphere/devices/heater.py"]
