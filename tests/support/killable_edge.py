"""An `edge` in a process of its own, which a test may kill."""

import asyncio
import json
import sys
from dataclasses import fields
from pathlib import Path

from launcher import process
from launcher.edge import EdgeOptions, run_edge
from launcher.embedded.postgres import wrapped
from tests.support.edge import edge_options
from tests.support.pki import Pki

READY_S = 60.0


class KillableEdge:
    """Stopped at first. ``mqtt_port`` changes with every start."""

    def __init__(self, pki: Pki, dsn: str, valkey_url: str) -> None:
        self._options = edge_options(pki, dsn, valkey_url, pki.directory)
        self._process: asyncio.subprocess.Process | None = None
        self.mqtt_port = 0

    async def start(self) -> None:
        """Returns when devices may connect."""
        given = {f.name: getattr(self._options, f.name) for f in fields(EdgeOptions) if f.name not in ("on_ready", "wss_origins")}
        command = wrapped([sys.executable, "-m", __name__, json.dumps(given, default=str)], None, "SIGKILL")
        self._process = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.PIPE, cwd=Path(__file__).parents[2]
        )
        assert self._process.stdout is not None
        async with asyncio.timeout(READY_S):
            while not (line := await self._process.stdout.readline()).startswith(b"port "):
                assert line, "edge has ended before it was ready"
        self.mqtt_port = int(line.split()[1])

    async def kill(self) -> None:
        """kill -9, if it runs."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()


def _main(given: dict[str, object]) -> None:
    paths = {name: Path(str(given[name])) for name in ("certificate", "key", "ca", "data")}
    ready = lambda mqtt, wss, http: print("port", mqtt, flush=True)  # noqa: E731
    options = EdgeOptions(**{**given, **paths, "on_ready": ready})  # type: ignore[arg-type]
    process.run(lambda stop: run_edge(options, stop))


if __name__ == "__main__":
    _main(json.loads(sys.argv[1]))
