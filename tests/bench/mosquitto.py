"""Debian's mosquitto, as a child on a free port of loopback."""

import asyncio
import getpass
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

STARTS_S = 10.0
# All in its favour: nothing is dropped, many messages on their way, nothing waits for Nagle.
CONFIGURATION = """user {user}
listener {port} 127.0.0.1
allow_anonymous true
persistence true
persistence_location {directory}/
max_queued_messages 0
max_inflight_messages 200
set_tcp_nodelay true
"""


def program() -> str | None:
    """Where it is, if it is installed; Debian puts it where only root looks."""
    return shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin")


@asynccontextmanager
async def mosquitto(directory: Path, port: int) -> AsyncIterator[int]:
    """A running one; its pid."""
    found = program()
    assert found is not None
    command = [found, "-c", str(_configured(directory, port))]
    with (directory / "mosquitto.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(*command, stdout=log, stderr=log)
    try:
        async with asyncio.timeout(STARTS_S):
            await _answers(port)
        yield process.pid
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


def _configured(directory: Path, port: int) -> Path:
    directory.mkdir()
    configuration = directory / "mosquitto.conf"
    # As root it would become another user, who may not walk here.
    configuration.write_text(CONFIGURATION.format(port=port, directory=directory, user=getpass.getuser()))
    return configuration


async def _answers(port: int) -> None:
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.05)
            continue
        writer.close()
        return
