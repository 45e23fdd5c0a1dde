"""A device and the server that it speaks to are killed in turn; every number that publish() has taken must be in the table."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain, zip_longest
from pathlib import Path
from random import Random

import asyncpg

from device_sdk import Credentials
from iotsphere.devices import device_types
from tests.bench.own_edge import OwnEdge
from tests.bench.sdk_publisher import MEASUREMENT
from tests.support.platform import Platform
from tests.support.waiting import until

Kill = Callable[[], Awaitable[None]]
ROOT = Path(__file__).parents[2]
LIVES_S = (0.2, 1.2)  # between two kills
SPEAKS_S, DRAINS_S = 20.0, 60.0
_MISSING = """
select count(*) from generate_series(1, $2::bigint) n
left join (select distinct value from telemetry.telemetry where device_id = $1 and measurement = $3) t on t.value = n
where t.value is null
"""


@dataclass
class Outcome:
    """What came of it.

    Attributes:
        published: numbers that publish() had taken.
        lost: of these, not in the table.
    """

    published: int = 0
    lost: int = 0
    kills_of_the_device: int = 0
    kills_of_the_server: int = 0


class Kills:
    """One run.

    Args:
        platform: a running one; the device speaks to an `edge` of its own on it.
        directory: for the files of the device.
        say: told how far it is.
    """

    def __init__(self, platform: Platform, directory: Path, device: str, say: Callable[[str], None]) -> None:
        self._platform, self._directory, self._device, self._say = platform, directory, device, say
        self._edge = OwnEdge(platform)
        self._rng = Random(7)
        self._outcome = Outcome()
        self._process: asyncio.subprocess.Process | None = None
        self._listening: asyncio.Task[None] | None = None

    async def run(self, of_the_device: int, of_the_server: int) -> Outcome:
        """Kill, in turn; then let the device empty its outbox, and compare.

        Raises:
            TimeoutError: something did not come back.
        """
        self._enrol()
        await self._edge.start()
        try:
            await self._start()
            for kill in _in_turn([self._kill_device] * of_the_device, [self._kill_server] * of_the_server):
                await asyncio.sleep(self._rng.uniform(*LIVES_S))
                await kill()
            await self._end()
            await self._drain()
        finally:
            await self._end()
            await self._edge.kill()
        self._outcome.lost = await self._missing()
        return self._outcome

    def _enrol(self) -> None:
        self._platform.device(self._device, next(iter(device_types())), self._directory)
        found = Credentials.load(self._directory, self._device)
        (self._directory / f"{self._device}.json").write_bytes(replace(found, port=self._edge.port).to_json())

    async def _start(self) -> None:
        """Go on with the number after the last that was taken."""
        first = self._outcome.published + 1
        command = (sys.executable, "-m", "tests.bench.sdk_publisher", str(self._directory), self._device, str(first))
        self._process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
        self._listening = asyncio.create_task(self._listen(self._process), name="sdk-kills-listen")
        await until(lambda: self._outcome.published >= first, SPEAKS_S)

    async def _listen(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        with suppress(asyncio.IncompleteReadError):  # the line that the kill has cut
            while True:
                self._outcome.published = int(await process.stdout.readuntil(b"\n"))

    async def _end(self) -> None:
        """kill -9, unless it has ended."""
        if self._process is None or self._listening is None:
            return
        with suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()
        await self._listening
        self._process = self._listening = None

    async def _kill_device(self) -> None:
        await self._end()
        self._outcome.kills_of_the_device += 1
        self._say(f"kill -9 of the device after {self._outcome.published:,} readings")
        await self._start()

    async def _kill_server(self) -> None:
        await self._edge.kill()
        self._outcome.kills_of_the_server += 1
        self._say(f"kill -9 of edge after {self._outcome.published:,} readings")
        await self._edge.start()

    async def _drain(self) -> None:
        command = (sys.executable, "-m", "tests.bench.sdk_publisher", str(self._directory), self._device, "0")
        draining = await asyncio.create_subprocess_exec(*command, cwd=ROOT)
        try:
            code = await asyncio.wait_for(draining.wait(), DRAINS_S)
            assert code == 0
        finally:
            if draining.returncode is None:
                draining.kill()
                await draining.wait()

    async def _missing(self) -> int:
        connection = await asyncpg.connect(self._platform.dsn)
        try:
            return int(await connection.fetchval(_MISSING, self._device, self._outcome.published, MEASUREMENT))
        finally:
            await connection.close()


def _in_turn(first: list[Kill], second: list[Kill]) -> Iterator[Kill]:
    return (kill for kill in chain(*zip_longest(first, second)) if kill is not None)
