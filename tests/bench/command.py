"""Commands: from the REST POST to its answer with the device's result in it, in quiet and while readings pour in."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import msgspec

from iotsphere.devices._spec import Command, Property
from tests.bench import bare, cpu, loads
from tests.bench.child import Child, child
from tests.bench.figures import percentile
from tests.bench.generator import Load
from tests.bench.ingest import CONNECTIONS, WINDOW
from tests.bench.stage import POINTS, Stage

CALLS, WARM = 500, 50
DEVICES = 1000
BARE_DEVICES = 100
WAIT_S = 10
SATURATED_S = 4.0
LOAD_AT_MOST_S = 25.0


class Commands:
    """The part `command`."""

    def __init__(self, the: Stage) -> None:
        self._the = the
        self._devices = [f"told-{number}" for number in range(DEVICES)]
        self._given = 0

    async def run(self) -> None:
        """One caller, one call after the other, all devices connected; without load, then with half of what `edge` can take."""
        the, figures = self._the, self._the.figures
        figures.say(f"command: {DEVICES} devices more get their certificates …")
        the.platform.device("told", the.device_type.key, the.certificates, "--count", str(DEVICES))
        rate = await self._half()
        job = {"port": the.mqtt_port, "certificates": str(the.certificates), "devices": self._devices}
        async with child("tests.bench.responders", job) as responding:
            await responding.at("connected")
            await the.rest()
            figures.say(f"command: {CALLS} calls to {DEVICES} connected devices …")
            before = the.cpu()
            quiet = await self._calls()
            figures.add("command.server_cpu_ms_per_call", sum(cpu.spent(before, the.cpu()).values()) / (WARM + CALLS) * 1000)
            figures.say(f"command: the same at {rate:,.0f} messages/s …")
            async with self._loaded(rate) as generator:
                await generator.at("begin")
                loaded = await self._calls()
            answered = await responding.finish()
        figures.check(answered == self._given, f"{self._given} commands were given, {answered} reached a device")
        figures.say("command: the same through the broker alone …")
        trips = await bare.round_trips(the.certificates / "bare", the.devices[:BARE_DEVICES])
        self._report(quiet, loaded, trips)

    async def _half(self) -> float:
        """Half of the saturation that the part `ingest` has found in this run, else of one short round: messages a second."""
        the = self._the
        if not the.saturated_messages_per_s:
            the.figures.say("command: what is half of what edge can take? …")
            one = await loads.run(the, loads.job(the, CONNECTIONS, window=WINDOW, seconds=SATURATED_S))
            the.saturated_messages_per_s = one.points_per_s / POINTS
        return the.saturated_messages_per_s / 2

    @asynccontextmanager
    async def _loaded(self, rate: float) -> AsyncIterator[Child]:
        """Readings at this rate for as long as it lasts; all must be acknowledged, and stored, in the end."""
        the = self._the
        await the.empty()
        job = loads.job(the, CONNECTIONS, rate=rate, seconds=LOAD_AT_MOST_S, until_told=True)
        async with child("tests.bench.generator", job) as generator:
            await generator.at("connected")
            yield generator
            generator.end()
            await generator.at("end")
            load = msgspec.convert(await generator.at("done"), Load)
        loads.check(the, load)
        lost = load.acked * POINTS - await the.stored()
        the.figures.check(lost == 0, f"{lost} acknowledged readings are not in the table")

    async def _calls(self) -> list[float]:
        """Milliseconds of each call."""
        the, command = self._the, self._the.device_type.commands[0]
        body = {"name": command.name, "params": parameters(command)}
        headers = {"Authorization": f"Bearer {the.token}"}
        async with aiohttp.ClientSession(the.platform.http, headers=headers) as session:
            times = [await self._call(session, self._devices[number % DEVICES], body) for number in range(WARM + CALLS)]
        return times[WARM:]

    async def _call(self, session: aiohttp.ClientSession, device: str, body: dict[str, Any]) -> float:
        self._given += 1
        began = time.perf_counter()
        async with session.post(f"/api/v1/devices/{device}/commands", params={"wait": WAIT_S}, json=body) as response:
            answer = await response.json()
        taken = (time.perf_counter() - began) * 1000
        if response.status != 200 or answer["status"] != "succeeded":
            raise RuntimeError(f"{device}: {response.status} {answer}")
        return taken

    def _report(self, quiet: list[float], loaded: list[float], trips: list[float]) -> None:
        figures, rows = self._the.figures, []
        for name, times in (("REST POST → result", quiet), ("at half load", loaded), ("broker → device → broker", trips)):
            rows.append((name, percentile(times, 0.5), percentile(times, 0.99), max(times)))
        figures.table("Commands, ms", ("way", "p50", "p99", "max"), rows)
        figures.add("command.p50_ms", rows[0][1])
        figures.add("command.p99_ms", rows[0][2])
        figures.add("command.p50_ms_half_load", rows[1][1])
        figures.add("command.p99_ms_half_load", rows[1][2])
        figures.add("command.mqtt_round_trip_p50_ms", rows[2][1])
        figures.add("command.ratio_to_mqtt_round_trip", rows[0][1] / rows[2][1])


def parameters(command: Command) -> dict[str, Any]:
    """Valid ones for a command of any type."""
    return {prop.key: _valid(prop) for prop in command.params if prop.default is None}


def _valid(prop: Property) -> Any:
    if prop.options:
        return prop.options[0]
    if prop.kind in ("number", "integer"):
        return prop.low if prop.low is not None else 0
    return True if prop.kind == "boolean" else ""
