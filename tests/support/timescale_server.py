"""A real TimescaleDB for tests: PostgreSQL compiled to WebAssembly, from npm, pinned by hash in tests/support/timescale.

It takes one connection at a time, and crashes on COPY: the writer is tested on PostgreSQL.
"""

import os
import select
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

SOURCES = Path(__file__).parent / "timescale"
START_SECONDS = 60.0
INSTALL_SECONDS = 120.0


def _give_up(why: str) -> None:
    if os.environ.get("REQUIRE_TIMESCALE"):
        pytest.fail(why)
    pytest.skip(why)


def _installed(directory: Path) -> Path:
    """The server's program, with what it needs beside it."""
    npm = shutil.which("npm")
    if npm is None:
        _give_up("TimescaleDB for tests needs npm")
    for name in ("server.mjs", "package.json", "package-lock.json", ".npmrc"):
        shutil.copy(SOURCES / name, directory / name)
    command = [str(npm), "ci", "--prefer-offline", "--fetch-retries=1"]
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False)
    if done.returncode:
        _give_up(f"TimescaleDB for tests cannot be installed: {done.stderr[-300:]}")
    return directory / "server.mjs"


@contextmanager
def timescale(directory: Path) -> Iterator[str]:
    """The DSN of a database with the extension."""
    program = _installed(directory)
    with (directory / "server.log").open("wb") as log:
        process = subprocess.Popen(
            ["node", program.name], cwd=directory, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log
        )
    try:
        assert process.stdout is not None
        ready, _, _ = select.select([process.stdout], [], [], START_SECONDS)
        port = process.stdout.readline().decode().strip() if ready else ""
        if not port:
            raise TimeoutError(f"TimescaleDB did not come up: {(directory / 'server.log').read_text()[-1000:]}")
        yield f"postgresql://postgres:postgres@127.0.0.1:{port}/postgres"
    finally:
        process.kill()
        process.wait()
