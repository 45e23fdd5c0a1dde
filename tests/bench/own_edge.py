"""An `edge` of our own beside that of a running platform: to be killed often, as a supervisor would wait longer each time."""

import asyncio
import os
import subprocess
import sys

from launcher import spawn
from tests.support.platform import IOTSPHERE, Platform
from tests.support.servers import free_port
from tests.support.waiting import until

STARTS_S = 60.0
LOOPBACK = "127.0.0.1"


class OwnEdge:
    """One process at a time, always on the same port.

    Args:
        platform: whose database, registry and authority it shares.
    """

    def __init__(self, platform: Platform) -> None:
        self.port = free_port()
        self._log = platform.home.logs / "edge-of-the-bench.log"
        ports = {"IOTSPHERE_MQTT_PORT": str(self.port), "IOTSPHERE_WSS_PORT": "0", "IOTSPHERE_EDGE_PORT": "0"}
        self._environment = {**platform.installation.environment, **ports, "IOTSPHERE_NODE": "bench"}
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        """Start it, until it listens."""
        self._process = self._spawn()
        await until(self._listens, STARTS_S)

    def _spawn(self) -> "subprocess.Popen[bytes]":
        """It dies with us."""
        bound = (sys.executable, "-IS", spawn.__file__, "--parent", str(os.getpid()), "--death", "SIGKILL", "--")
        with self._log.open("ab") as log:
            return subprocess.Popen(
                [*bound, *IOTSPHERE, "run", "edge"], env=self._environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    async def kill(self) -> None:
        """kill -9."""
        if self._process is not None:
            self._process.kill()
            await asyncio.to_thread(self._process.wait)
            self._process = None

    async def _listens(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self._log.read_text()[-2000:]
        try:
            _, writer = await asyncio.open_connection(LOOPBACK, self.port)
        except OSError:
            return False
        writer.close()
        return True
