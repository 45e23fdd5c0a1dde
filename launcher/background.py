"""`iotsphere up --detach` and `down`: the supervisor in the background. Loads little, so that both are quick."""

import os
import signal
import subprocess
import time
from pathlib import Path

from iotsphere.errors import OperatorError
from iotsphere.settings import Settings
from launcher import status
from launcher.greeting import greeting
from launcher.home import Home
from launcher.lock import holder
from launcher.ourselves import ourselves

DOWN_S = 120.0
STARTS_S = 600.0
SUPERVISOR_LOG = "supervisor.log"


class StillRunning(OperatorError):
    """The platform did not start or end in time."""


def detach(settings: Settings, *, demo: bool) -> None:
    """Start the platform in the background; returns when it is ready.

    Raises:
        OperatorError: it did not start; says why.
    """
    home = Home(settings.home)
    home.prepare()
    log = home.logs / SUPERVISOR_LOG
    began, size = time.monotonic(), log.stat().st_size if log.exists() else 0
    child = _start_in_background(log, demo)
    try:
        while child.poll() is None and not _serves(home, child.pid):
            if time.monotonic() - began > STARTS_S:
                raise StillRunning(f"it is not ready after {STARTS_S:.0f} s; see {log} and `iotsphere status`")
            time.sleep(0.1)
    except KeyboardInterrupt:
        child.terminate()
        raise
    if child.poll() is not None:
        said = log.read_bytes()[size:].decode(errors="replace")
        raise OperatorError(_reason(said) or f"it ended with {child.returncode}; see {log}")
    print(greeting(home, time.monotonic() - began, "`iotsphere down`"))


def _serves(home: Home, pid: int) -> bool:
    return holder(home.lock_file) == pid and status.is_ready(home)


def _start_in_background(log: Path, demo: bool) -> "subprocess.Popen[bytes]":
    with open(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as output:
        return subprocess.Popen(
            [*ourselves(), "up", *([] if demo else ["--no-demo"])],
            stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
        )  # fmt: skip


def _reason(said: str) -> str:
    """What the supervisor said last, from its own word on."""
    marker = "iotsphere: "
    return said[said.rindex(marker) + len(marker) :].strip() if marker in said else "\n".join(said.splitlines()[-5:])


def down(home: Home, timeout: float = DOWN_S) -> bool:
    """Stop the platform and wait until everything is gone; False when nothing ran.

    Raises:
        StillRunning: it has not ended after the timeout (seconds), or is somebody else's.
    """
    pid = holder(home.lock_file)
    if not pid:
        return False
    try:
        os.kill(pid, signal.SIGTERM)
    except ProcessLookupError:
        return False
    except PermissionError as error:
        raise StillRunning(f"the platform on {home.root} (pid {pid}) belongs to another user") from error
    deadline = time.monotonic() + timeout
    while holder(home.lock_file) == pid or _alive(pid):
        if time.monotonic() > deadline:
            raise StillRunning(f"pid {pid} has not ended after {timeout:.0f} s; see {home.logs}")
        time.sleep(0.05)
    return True


def _alive(pid: int) -> bool:
    """Whether the process runs; one that has ended and waits for its parent does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (OSError, IndexError):
        return False
