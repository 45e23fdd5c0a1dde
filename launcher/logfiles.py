"""Log files of the supervised programs: appended to by the programs themselves, kept within a bound by us."""

import shutil
from collections import deque
from pathlib import Path

MAX_BYTES = 10 << 20


def rotate(path: Path, limit: int = MAX_BYTES) -> bool:
    """Move a file that is over the limit to ``NAME.1`` (the one before it goes); says whether it did.

    The program goes on writing to the same open file, so it is copied and cut. Its descriptor is in append mode:
    the next line lands at the new end. A line written between the copy and the cut is lost.
    """
    if not path.exists() or path.stat().st_size <= limit:
        return False
    shutil.copyfile(path, older(path))
    older(path).chmod(0o600)
    with path.open("r+b") as file:
        file.truncate(0)
    return True


def older(path: Path) -> Path:
    """Where the lines before the last rotation are."""
    return path.with_name(path.name + ".1")


def tail(path: Path, lines: int) -> list[str]:
    """The last lines of a log, over its last rotation."""
    found: deque[str] = deque(maxlen=lines)
    for part in (older(path), path):
        try:
            with part.open(errors="replace") as file:
                found.extend(line.rstrip("\n") for line in file)
        except FileNotFoundError:
            continue
    return list(found)
