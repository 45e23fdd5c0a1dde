"""Shadows: how many updates and reads a second over MQTT, and how long a wish takes to its device."""

import time
from typing import Any

import aiohttp

from iotsphere.devices._spec import Property
from tests.bench.child import Child, child
from tests.bench.figures import percentile
from tests.bench.stage import Stage

DEVICES, WINDOW = 100, 8
WISHES, WARM = 300, 30


class Shadow:
    """The part `shadow`."""

    def __init__(self, the: Stage) -> None:
        self._the = the
        self._devices = the.devices[:DEVICES]
        self._property = next(p for p in the.device_type.properties if p.writable and p.kind == "number")

    async def run(self) -> None:
        """Updates, reads, then wishes, one after the other."""
        the, figures = self._the, self._the.figures
        figures.say(f"shadow: {len(self._devices)} devices with {WINDOW} requests on their way each …")
        job = {"port": the.mqtt_port, "certificates": str(the.certificates), "devices": self._devices, "window": WINDOW}
        async with child("tests.bench.shadow_clients", job) as asking:
            await asking.at("connected")
            before = await self._revisions()
            updates = await self._asked(asking, "update", "updated")
            gets = await self._asked(asking, "get", "got")
            stored = await self._revisions() - before
            figures.say(f"shadow: {WISHES} wishes by REST …")
            sent = await self._wishes()
            deltas = {(device, version): at for device, version, at in await asking.finish()}
        figures.check(stored == updates["accepted"], f"{updates['accepted']} updates were accepted, {stored} are stored")
        taken = [(deltas[key] - at) * 1000 for key, at in sent.items() if key in deltas]
        figures.check(len(taken) == len(sent), f"{len(sent)} wishes were accepted, {len(taken)} came to their devices")
        self._report(updates, gets, taken)

    async def _asked(self, asking: Child, word: str, point: str) -> dict[str, Any]:
        before = self._the.cpu()
        await asking.say(word)
        result: dict[str, Any] = await asking.at(point)
        result["cpu_ms"] = {name: (now - before[name]) * 1000 / result["accepted"] for name, now in self._the.cpu().items()}
        self._the.figures.check(not result["rejected"], f"{result['rejected']} requests of {word} were rejected")
        return result

    async def _revisions(self) -> int:
        return int(await self._the.connection.fetchval("select count(*) from shadow.revisions"))

    async def _wishes(self) -> dict[tuple[str, int], float]:
        """When each was sent, by device and version."""
        the, sent = self._the, {}
        headers = {"Authorization": f"Bearer {the.token}"}
        async with aiohttp.ClientSession(the.platform.http, headers=headers) as session:
            for number in range(WARM + WISHES):
                device, at = self._devices[number % len(self._devices)], time.monotonic()
                version = await self._wish(session, device, _value(self._property, number))
                if number >= WARM:
                    sent[device, version] = at
        return sent

    async def _wish(self, session: aiohttp.ClientSession, device: str, value: float) -> int:
        body = {"desired": {self._property.key: value}}
        async with session.patch(f"/api/v1/devices/{device}/shadow", json=body) as response:
            answer = await response.json()
        if response.status != 200:
            raise RuntimeError(f"{device}: {response.status} {answer}")
        return int(answer["version"])

    def _report(self, updates: dict[str, Any], gets: dict[str, Any], taken: list[float]) -> None:
        figures = self._the.figures
        rows = [
            (name, rate, percentile(times, 0.5), percentile(times, 0.99))
            for name, rate, times in (
                ("update → accepted", updates["per_s"], updates["ms"]),
                ("get → accepted", gets["per_s"], gets["ms"]),
                ("PATCH → delta at the device", "one by one", taken),
            )
        ]
        figures.table("Shadows", ("way", "a second", "p50 ms", "p99 ms"), rows)
        costs = [(name, updates["cpu_ms"][name], gets["cpu_ms"][name]) for name in updates["cpu_ms"]]
        figures.table("Server CPU of a request, ms", ("process", "update", "get"), costs)
        figures.add("shadow.updates_per_s", updates["per_s"])
        figures.add("shadow.server_cpu_ms_per_update", sum(updates["cpu_ms"].values()))
        figures.add("shadow.gets_per_s", gets["per_s"])
        figures.add("shadow.desired_to_device_p50_ms", rows[2][2])
        figures.add("shadow.desired_to_device_p99_ms", rows[2][3])


def _value(prop: Property, number: int) -> float:
    """Another one for each wish, within what the type allows."""
    low, high = prop.low or 0.0, prop.high if prop.high is not None else 100.0
    return round(low + (high - low) * (number % 97) / 97, 3)
