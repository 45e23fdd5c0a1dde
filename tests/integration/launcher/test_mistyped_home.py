"""Commands that read, on a home where nothing was ever started."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

READS = [("certs", "ca"), ("certs", "crl"), ("certs", "service", "s", "--out", "out"), ("token",), ("status",), ("logs", "edge")]


@pytest.mark.parametrize("elsewhere", ["", "postgresql://nobody@127.0.0.1:1/none"])
@pytest.mark.parametrize("command", READS, ids=" ".join)
def test_a_command_on_a_mistyped_home_says_so_and_leaves_it_alone(
    tmp_path: Path, command: tuple[str, ...], elsewhere: str
) -> None:
    home = tmp_path / "mistyped"
    environment = {**os.environ, "IOTSPHERE_HOME": str(home), "IOTSPHERE_DSN": elsewhere}
    done = subprocess.run(
        [sys.executable, "-P", "-m", "launcher", *command], env=environment, cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode in (2, 3)
    assert len((done.stderr + done.stdout).strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []
