"""`iotsphere logs`."""

import sys
import time
from pathlib import Path

from iotsphere.errors import Misconfigured
from iotsphere.terminal import harmless_lines
from launcher.logfiles import tail

POLL_S = 0.25


def show(logs: Path, service: str, lines: int, *, follow: bool) -> None:
    """Print the last lines of a service's log; with ``follow`` go on until Ctrl-C.

    Raises:
        Misconfigured: there is no such log; names those that there are.
    """
    path = logs / f"{service}.log"
    if not path.exists() or path.parent != logs:
        there = ", ".join(sorted(found.stem for found in logs.glob("*.log"))) or "none"
        raise Misconfigured(f"no log of {service!r} in {logs}; there are: {there}")
    end = path.stat().st_size
    for line in tail(path, lines):
        print(harmless_lines(line))
    try:
        while follow:
            sys.stdout.flush()
            time.sleep(POLL_S)
            end = print_new(path, end)
    except KeyboardInterrupt:
        return


def print_new(path: Path, position: int) -> int:
    """Print what was written since the position; returns the next one. A file that is shorter now was rotated."""
    size = path.stat().st_size
    if size < position:
        position = 0
    with path.open("rb") as file:
        file.seek(position)
        sys.stdout.write(harmless_lines(file.read(size - position).decode(errors="replace")))
    return size
