"""Small programs for the supervisor's tests."""

import sys
from collections.abc import Callable
from pathlib import Path

from launcher.embedded.postgres import wrapped
from launcher.probes import Health, runs
from launcher.service import Program

IDLE = "import time; time.sleep(600)"


def program(directory: Path, name: str, code: str = IDLE, **details: object) -> Program:
    """A Python program that dies with its parent."""
    command = wrapped([sys.executable, "-c", code], None, "SIGKILL")
    return Program(name=name, command=command, log=directory / f"{name}.log", **{"probe": runs, **details})  # type: ignore[arg-type]


def when(condition: Callable[[], bool], otherwise: Health = Health.SILENT) -> Callable[[], object]:
    """A probe that is ready while the condition holds."""

    async def probe() -> Health:
        return Health.READY if condition() else otherwise

    return probe
