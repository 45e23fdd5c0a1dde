"""What `make` decides before it does anything."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support import tree

STYLES = [
    'VIRTUAL_ENV="{}"',
    "    VIRTUAL_ENV=$(cygpath '/c/x')\n    export VIRTUAL_ENV={}",
    "VIRTUAL_ENV='{}'",
]  # of 3.11, 3.13, uv


def plan(clone: Path, made_for: Path, style: str) -> str:
    """What `make install` would run in a clone whose .venv was made for that path."""
    programs = clone / ".venv" / "bin"
    programs.mkdir(parents=True)
    shutil.copy(tree.ROOT / "Makefile", clone)
    for name in ("requirements/runtime.lock", "pyproject.toml", "hatch_build.py", ".venv/bin/python", ".venv/.runtime"):
        (clone / name).parent.mkdir(exist_ok=True)
        (clone / name).touch()
    (programs / "activate").write_text(f"unset VIRTUAL_ENV\n{style.format(made_for)}\nexport VIRTUAL_ENV\n")
    done = subprocess.run(["make", "-n", "install"], cwd=clone, capture_output=True, text=True, check=True)
    return done.stdout


@pytest.mark.parametrize("style", STYLES)
def test_a_virtual_environment_of_another_path_is_made_anew(tmp_path: Path, style: str) -> None:
    said = plan(tmp_path / "clone", tmp_path / "before" / ".venv", style)
    assert f".venv was made for {tmp_path}/before/.venv: it is made anew" in said
    assert "-m venv .venv" in said
    assert "pip install" in said


@pytest.mark.parametrize("style", STYLES)
def test_one_of_this_path_is_used(tmp_path: Path, style: str) -> None:
    said = plan(tmp_path / "clone", tmp_path / "clone" / ".venv", style)
    assert "made anew" not in said
    assert "-m venv" not in said
