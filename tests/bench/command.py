"""Commands: from the REST POST to its answer with the device's result in it."""

import time
from typing import Any

import aiohttp

from iotsphere.devices._spec import Command, Property
from tests.bench import bare
from tests.bench.child import child
from tests.bench.figures import percentile
from tests.bench.stage import Stage

CALLS, WARM = 500, 50
DEVICES = 100
WAIT_S = 10


class Commands:
    """The part `command`."""

    def __init__(self, the: Stage) -> None:
        self._the = the
        self._devices = the.devices[:DEVICES]

    async def run(self) -> None:
        """One caller, one call after the other, all devices connected."""
        the, figures = self._the, self._the.figures
        job = {"port": the.mqtt_port, "certificates": str(the.certificates), "devices": self._devices}
        figures.say(f"command: {CALLS} calls to {len(self._devices)} connected devices …")
        async with child("tests.bench.responders", job) as responding:
            await responding.at("connected")
            calls = await self._calls()
            answered = await responding.finish()
        figures.check(answered == CALLS + WARM, f"{CALLS + WARM} commands were given, {answered} reached a device")
        figures.say("command: the same through the broker alone …")
        trips = await bare.round_trips(the.certificates / "bare", self._devices)
        self._report(calls, trips)

    async def _calls(self) -> list[float]:
        """Milliseconds of each call."""
        the, command = self._the, self._the.device_type.commands[0]
        body = {"name": command.name, "params": parameters(command)}
        headers = {"Authorization": f"Bearer {the.token}"}
        async with aiohttp.ClientSession(the.platform.http, headers=headers) as session:
            times = [
                await self._call(session, self._devices[number % len(self._devices)], body) for number in range(WARM + CALLS)
            ]
        return times[WARM:]

    async def _call(self, session: aiohttp.ClientSession, device: str, body: dict[str, Any]) -> float:
        began = time.perf_counter()
        async with session.post(f"/api/v1/devices/{device}/commands", params={"wait": WAIT_S}, json=body) as response:
            answer = await response.json()
        taken = (time.perf_counter() - began) * 1000
        if response.status != 200 or answer["status"] != "succeeded":
            raise RuntimeError(f"{device}: {response.status} {answer}")
        return taken

    def _report(self, calls: list[float], trips: list[float]) -> None:
        figures, rows = self._the.figures, []
        for name, times in (("REST POST → result", calls), ("broker → device → broker", trips)):
            rows.append((name, percentile(times, 0.5), percentile(times, 0.99), max(times)))
        figures.table("Commands, ms", ("way", "p50", "p99", "max"), rows)
        figures.add("command.p50_ms", rows[0][1])
        figures.add("command.p99_ms", rows[0][2])
        figures.add("command.mqtt_round_trip_p50_ms", rows[1][1])
        figures.add("command.ratio_to_mqtt_round_trip", rows[0][1] / rows[1][1])


def parameters(command: Command) -> dict[str, Any]:
    """Valid ones for a command of any type."""
    return {prop.key: _valid(prop) for prop in command.params if prop.default is None}


def _valid(prop: Property) -> Any:
    if prop.options:
        return prop.options[0]
    if prop.kind in ("number", "integer"):
        return prop.low if prop.low is not None else 0
    return True if prop.kind == "boolean" else ""
