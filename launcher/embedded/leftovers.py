"""Processes that a killed predecessor left behind, found by their working directory."""

import time
from pathlib import Path

from iotsphere.errors import OperatorError


def wait_until_left(directory: Path, timeout: float) -> None:
    """Wait until no process works in the directory.

    Raises:
        OperatorError: one is still there after the timeout (seconds).
    """
    deadline = time.monotonic() + timeout
    while left := processes_in(directory):
        if time.monotonic() > deadline:
            raise OperatorError(f"processes {left} still use {directory}")
        time.sleep(0.05)


def processes_in(directory: Path) -> list[int]:
    """Processes whose working directory it is: every process of an embedded server, and nothing else."""
    real = directory.resolve()
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                if (process / "cwd").readlink() == real:
                    found.append(int(process.name))
            except OSError:
                continue
    return found
