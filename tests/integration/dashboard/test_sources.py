"""The dashboard's own checks, run with Node."""

import shutil
import subprocess
from pathlib import Path

import pytest

import dashboard

HERE = Path(dashboard.__file__).parent
TOOLS = HERE / "node_modules"


@pytest.mark.skipif(
    not (shutil.which("node") and TOOLS.exists()), reason="needs Node and npm ci in dashboard/ (the package's build does it)"
)
@pytest.mark.parametrize("tool", [("typescript/bin/tsc", "--noEmit"), ("vitest/vitest.mjs", "run")], ids=["types", "unit tests"])
def test_its_own_checks_pass(tool: tuple[str, str]) -> None:
    program, argument = tool
    done = subprocess.run(
        ["node", str(TOOLS / program), argument], cwd=HERE, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
