"""One `iotsphere up` a home, held by a file lock that the kernel frees when its holder dies."""

import fcntl
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import IO

from iotsphere.errors import HomeInUse

ATTEMPTS, PAUSE_S = 10, 0.03


class HomeLock:
    """Exclusive use of a home."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[str] | None = None

    def acquire(self, stale: Iterable[Path] = ()) -> None:
        """Take the lock, remove what a killed holder may have left behind, and write our pid into the file.

        Raises:
            HomeInUse: another process has it.
        """
        file = self._path.open("a+")
        if not _locked(file):
            file.close()
            raise HomeInUse(
                f"it already runs here (pid {holder(self._path)}): see `iotsphere status`, stop it with `iotsphere down`"
            )
        for path in stale:
            path.unlink(missing_ok=True)
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        self._file = file

    def release(self) -> None:
        """Let go."""
        if self._file is not None:
            self._file.close()
            self._file = None


def _locked(file: IO[str]) -> bool:
    """Try for a moment: holder() of another process has the lock while it looks."""
    for _ in range(ATTEMPTS):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(PAUSE_S)
        else:
            return True
    return False


def holder(path: Path) -> int | None:
    """The pid that holds the lock, or None when nobody does."""
    try:
        with path.open("r+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return int(file.read() or 0)
            return None
    except OSError:
        return None
