"""One bad client harms nobody: what the others wait for their PUBACKs beside each kind of it, against what they wait without."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import pytest

from iotsphere import topics
from tests.support.brokers import TestBroker, running_broker
from tests.support.mqtt_raw import RawClient
from tests.support.offenders import BAD, WATCHER, Offenders
from tests.support.pki import Pki

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.loops("uvloop")]  # what the platform's processes run on
VICTIMS = 10
PAUSE_S = 0.01
SLICE_S = 0.4
ROUNDS = 3
CPU_FLOOR_MS, FLOOR_MS = 5.0, 250.0
"""Below them garbage collection and a TLS handshake, and the scheduler of a busy machine, are all that is seen."""
QUIET = "quiet"


class Child:
    """The process of the offenders."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def say(self, what: str) -> None:
        """Who misbehaves from now on."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(f"{what}\n".encode())
        answer = await asyncio.wait_for(stdout.readline(), 30)
        assert answer.decode().strip() == what, "the offender has ended"


@asynccontextmanager
async def offenders(it: TestBroker) -> AsyncIterator[Child]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.support.offenders", str(it.port), str(it.pki.directory),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        yield Child(process)
    finally:
        process.kill()
        await process.wait()


@dataclass(frozen=True)
class Waited:
    """p99 of publish → PUBACK.

    Attributes:
        cpu_ms: what broker and victims, which share a thread, have worked meanwhile: all that a client can do to another one, and
            nothing that other programs of a busy machine do.
    """

    cpu_ms: float
    ms: float


async def test_the_others_p99_stays_within_twice_its_quiet_value(pki: Pki) -> None:
    async with running_broker(pki) as it:
        it.device(BAD)
        it.service(WATCHER)
        victims = [await it.client(f"victim-{number}") for number in range(VICTIMS)]
        found: dict[str, list[Waited]] = {kind: [] for kind in (QUIET, *Offenders(0, Path()).all)}
        async with offenders(it) as child:
            for _ in range(ROUNDS):
                for kind, slices in found.items():  # in turn, so that whatever else the machine does meets all of them
                    await child.say(kind)
                    slices.append(await _slice(victims))
                    it.ingest.committed.clear()
        cpu = {kind: median(w.cpu_ms for w in slices) for kind, slices in found.items()}
        wall = {kind: median(w.ms for w in slices) for kind, slices in found.items()}
        assert {k: ms for k, ms in cpu.items() if ms > max(2 * cpu[QUIET], CPU_FLOOR_MS)} == {}, cpu
        assert {k: ms for k, ms in wall.items() if ms > max(2 * wall[QUIET], FLOOR_MS)} == {}, wall
        for victim in victims:
            await victim.close()


async def _slice(victims: list[RawClient]) -> Waited:
    waited = [one for each in await asyncio.gather(*map(_publish, range(VICTIMS), victims)) for one in each]
    return Waited(_p99([cpu for cpu, _ in waited]), _p99([ms for _, ms in waited]))


def _p99(values: list[float]) -> float:
    return sorted(values)[len(values) * 99 // 100]


async def _publish(number: int, victim: RawClient) -> list[tuple[float, float]]:
    """CPU and wall time in ms of each publish."""
    waited, end, topic = [], time.perf_counter() + SLICE_S, topics.telemetry(f"victim-{number}")
    while (began := time.perf_counter()) < end:
        cpu = time.thread_time()
        await victim.published(topic, b"{}")
        waited.append(((time.thread_time() - cpu) * 1000, (time.perf_counter() - began) * 1000))
        await asyncio.sleep(PAUSE_S)
    return waited
