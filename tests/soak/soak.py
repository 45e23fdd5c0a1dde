"""The platform under load while its parts are killed: what was acknowledged must be in the table, and nobody helps."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from iotsphere.devices import device_types
from tests.bench import cpu
from tests.bench.logs import tracebacks
from tests.bench.stage import AGE_MS, POINTS
from tests.bench.wire import Reading
from tests.soak.compare import Comparison, compare
from tests.soak.device import SoakDevice
from tests.soak.plan import Plan
from tests.soak.stream import EndlessStream
from tests.support.platform import Platform
from tests.support.tls import device_context
from tests.support.waiting import until

DEVICES, WINDOW = 50, 50
CONNECTS_S, RECOVERS_S, DRAINS_S = 30.0, 120.0, 60.0
LOAD_BEFORE_S = (1.0, 3.0)  # between full windows and a kill, growing
LOAD_AFTER_S = 2.0  # of load once everything is back


@dataclass
class Kill:
    """One kill -9.

    Attributes:
        flying: messages on their way at that moment.
        back_s: until the supervisor had everything ready, every device connected and each had another acknowledgement.
    """

    service: str
    flying: int
    back_s: float


@dataclass
class Outcome:
    """What came of a soak. Sizes in bytes; ``resident_level`` is 0 when memory was not looked at."""

    comparison: Comparison = field(default_factory=Comparison)
    kills: list[Kill] = field(default_factory=list)
    repeated: int = 0
    resident_level: int = 0
    resident_steady: int = 0
    steady_points: int = 0
    tracebacks: list[str] = field(default_factory=list)


class Soak:
    """One run.

    Args:
        platform: a running one, whose supervisor does all the mending.
        plan: what to do.
        directory: for certificates.
        say: told how far it is.
    """

    def __init__(self, platform: Platform, plan: Plan, directory: Path, say: Callable[[str], None]) -> None:
        self._platform, self._plan, self._directory, self._say = platform, plan, directory, say
        self._devices: list[SoakDevice] = []
        self._outcome = Outcome()

    async def run(self) -> Outcome:
        """Load, kill, drain, compare.

        Raises:
            TimeoutError: something did not come back.
            AssertionError: an acknowledgement was out of turn, or too little was on its way at a kill.
        """
        self._devices = await asyncio.to_thread(self._enrol)
        tasks = [asyncio.create_task(device.run(), name=device.stream.device) for device in self._devices]
        try:
            await until(self._all_connected, CONNECTS_S)
            began = time.monotonic()
            await self._steady(began)
            await self._kills(began)
            await self._drain()
        finally:
            await self._end(tasks)
        self._say("comparing every acknowledged reading with the table …")
        self._outcome.comparison = await compare(self._platform.dsn, self._devices)
        self._outcome.tracebacks = tracebacks(self._platform.home.logs)
        self._outcome.repeated = sum(device.repeated for device in self._devices)
        return self._outcome

    def _enrol(self) -> list[SoakDevice]:
        device_type, where, now = next(iter(device_types().values())), self._directory, int(time.time() * 1000)
        readings = [Reading(m.key, m.low or 0.0, m.high or 100.0) for m in device_type.measurements[:POINTS]]
        self._platform.device("soak", device_type.key, where, "--count", str(DEVICES))
        port = self._platform.mqtt[1]
        return [
            SoakDevice(
                EndlessStream(name, readings, now - AGE_MS), WINDOW, port,
                device_context(where, name),
            )
            for name in (f"soak-{number}" for number in range(DEVICES))
        ]  # fmt: skip

    # ── memory ─────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _steady(self, began: float) -> None:
        plan, outcome = self._plan, self._outcome
        if not plan.level_s:
            return
        self._say(f"{DEVICES} devices × window {WINDOW}, nothing is killed yet …")
        self._flow(True)
        await asyncio.sleep(plan.level_s)
        outcome.resident_level = self._resident()
        half = began + plan.seconds / 2
        await _until_true(lambda: self._points() >= plan.steady_points or time.monotonic() > half)
        outcome.resident_steady, outcome.steady_points = self._resident(), self._points()
        self._flow(False)
        self._say(
            f"memory of edge: {outcome.resident_level / 2**20:.1f} MiB after {plan.level_s:g} s, "
            f"{outcome.resident_steady / 2**20:.1f} MiB after {outcome.steady_points:,} readings"
        )

    def _resident(self) -> int:
        return cpu.resident_bytes(int(self._platform.service("edge")["pid"]))

    # ── kills ──────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _kills(self, began: float) -> None:
        order = self._plan.order()
        first, end = time.monotonic(), began + self._plan.seconds
        apart = max(end - first, 0.0) / len(order)
        for number, service in enumerate(order):
            await asyncio.sleep(first + number * apart - time.monotonic())
            low, high = LOAD_BEFORE_S
            await self._kill(service, low + (high - low) * number / len(order))

    async def _kill(self, service: str, load_s: float) -> None:
        """Load, the kill, and load until everybody is served again."""
        platform, least = self._platform, self._plan.least_flying
        self._flow(True)
        await asyncio.sleep(load_s)
        await until(lambda: self._flying() >= least, RECOVERS_S)
        flying, killed = self._flying(), platform.kill(service)
        began, acked = time.monotonic(), [device.acked for device in self._devices]
        await asyncio.to_thread(platform.wait_restarted, service, killed, RECOVERS_S)
        await until(self._all_connected, RECOVERS_S)
        await until(lambda: all(d.acked > before for d, before in zip(self._devices, acked, strict=True)), RECOVERS_S)
        kill = Kill(service, flying, time.monotonic() - began)
        self._outcome.kills.append(kill)
        self._say(f"kill -9 of {service} with {flying:,} messages on their way: all is back after {kill.back_s:.1f} s")
        await asyncio.sleep(LOAD_AFTER_S)
        self._flow(False)
        self._check()

    def _check(self) -> None:
        assert not (failed := [device.failed for device in self._devices if device.failed]), failed[:3]

    # ── all devices ────────────────────────────────────────────────────────────────────────────────────────────────

    def _flow(self, on: bool) -> None:
        for device in self._devices:
            device.flow(on)

    def _flying(self) -> int:
        return sum(device.flying for device in self._devices)

    def _points(self) -> int:
        return sum(device.acked for device in self._devices) * POINTS

    def _all_connected(self) -> bool:
        return all(device.connected for device in self._devices)

    async def _drain(self) -> None:
        self._flow(False)
        await until(lambda: all(device.acked == device.sent for device in self._devices), DRAINS_S)
        self._check()

    async def _end(self, tasks: "list[asyncio.Task[None]]") -> None:
        for task in tasks:
            task.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.gather(*tasks)
        for device in self._devices:
            device.close()
        await asyncio.sleep(0.5)


async def _until_true(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - counts and clocks have no event
        await asyncio.sleep(0.1)
