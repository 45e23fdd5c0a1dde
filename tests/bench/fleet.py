"""Ten thousand devices: what a connection holds, what an idle fleet costs, how it reports, and how it comes back all at once."""

import asyncio
from pathlib import Path

import msgspec

from tests.bench import cpu, loads
from tests.bench.child import Child, child
from tests.bench.fleet_clients import Connected, Job, Loaded, Pinged
from tests.bench.generator import Load
from tests.bench.stage import POINTS, Stage, viewers

DEVICES = 10_000
KEEP_ALIVE_S = 60
KNOWN_S = 3.0  # until `edge` has all devices in memory
CALM_S, IDLE_S = 5.0, 30.0
WARM_S, MEASURE_S = 3.0, 8.0
EXPECTED_MOST = 40_000.0  # messages a second
OTHERS, OTHERS_PER_S = 50, 500.0
STORM_MOST_S = 120.0


class Fleet:
    """The part `fleet`."""

    def __init__(self, the: Stage) -> None:
        self._the = the
        self._resident = 0  # bytes of `edge` before the first connection
        self._devices = [f"fleet-{number}" for number in range(DEVICES)]

    async def run(self) -> None:
        """All measures of a large fleet."""
        the, figures = self._the, self._the.figures
        figures.say(f"fleet: {DEVICES:,} devices get their certificates …")
        directory = the.certificates / "fleet"
        await asyncio.to_thread(the.platform.device, "fleet", the.device_type.key, directory, "--count", str(DEVICES))
        await the.empty()
        async with child("tests.bench.fleet_clients", self._job(directory)) as clients:
            await self._connect(clients)
            await self._idle()
            await self._load(clients)
            await self._storm(clients)
            pinged = msgspec.convert(await clients.finish(), Pinged)
        figures.check(pinged.lost == 0, f"{pinged.lost} connections of the fleet were lost")

    def _job(self, directory: Path) -> Job:
        the = self._the
        return Job(
            port=the.mqtt_port, certificates=str(directory), devices=self._devices, readings=the.readings,
            first_ms=the.moment_ms(), messages=int(EXPECTED_MOST * (WARM_S + MEASURE_S) / DEVICES), keep_alive=KEEP_ALIVE_S,
            warm_s=WARM_S, seconds=MEASURE_S,
        )  # fmt: skip

    @property
    def _edge(self) -> int:
        return int(self._the.platform.service("edge")["pid"])

    async def _connect(self, clients: Child) -> None:
        figures = self._the.figures
        await clients.at("made")
        await asyncio.sleep(KNOWN_S)
        figures.say(f"fleet: {DEVICES:,} devices connect …")
        self._resident, spent = cpu.resident_bytes(self._edge), cpu.tree_seconds(self._edge)
        await clients.say("connect")
        connected = msgspec.convert(await clients.at("connected"), Connected)
        spent = cpu.tree_seconds(self._edge) - spent
        await asyncio.sleep(CALM_S)
        figures.add("edge.kb_per_tls_connection", self._kb_each())
        figures.add("edge.connects_per_s", DEVICES / connected.seconds)
        figures.add("edge.cpu_ms_per_connect", spent / DEVICES * 1000)

    def _kb_each(self) -> float:
        return (cpu.resident_bytes(self._edge) - self._resident) / DEVICES / 1024

    async def _idle(self) -> None:
        figures = self._the.figures
        figures.say(f"fleet: {DEVICES:,} devices idle, keep-alive {KEEP_ALIVE_S} s …")
        before = cpu.tree_seconds(self._edge)
        await asyncio.sleep(IDLE_S)
        figures.add("edge.idle_cpu_percent", (cpu.tree_seconds(self._edge) - before) / IDLE_S * 100)

    async def _load(self, clients: Child) -> None:
        the, figures = self._the, self._the.figures
        figures.say(f"fleet: {DEVICES:,} devices report, one message of each on its way …")
        async with viewers(the, self._devices):
            await clients.say("load")
            await clients.at("begin")
            before = the.cpu()
            await clients.at("end")
            spent = cpu.spent(before, the.cpu())
            load = msgspec.convert(await clients.at("loaded"), Loaded)
        figures.check(not load.exhausted, "the fleet ran out of messages: raise EXPECTED_MOST")
        figures.check(load.acked == load.sent, f"{load.sent - load.acked} messages of the fleet were not acknowledged in time")
        lost = load.acked * POINTS - await the.stored()
        figures.check(lost == 0, f"{lost} acknowledged readings of the fleet are not in the table")
        millions = load.measured * POINTS / 1e6
        figures.add("ingest.points_per_s_fleet", load.measured * POINTS / load.seconds)
        figures.add("ingest.server_cpu_s_per_million_points_fleet", sum(spent.values()) / millions)
        figures.add("ingest.generator_cpu_s_per_million_points_fleet", load.cpu_s / millions)

    async def _storm(self, clients: Child) -> None:
        """All are cut at once and come back as fast as they are let, while others go on."""
        the, figures = self._the, self._the.figures
        figures.say(
            f"fleet: {DEVICES:,} devices are cut off and come back, {OTHERS} others report {OTHERS_PER_S:g} times a second …"
        )
        job = loads.job(the, OTHERS, rate=OTHERS_PER_S, seconds=STORM_MOST_S, until_told=True)
        async with child("tests.bench.generator", job) as others:
            await others.at("connected")
            await others.at("begin")
            await clients.say("storm")
            stormed = msgspec.convert(await clients.at("stormed"), Connected)
            others.end()
            await others.at("end")
            load = msgspec.convert(await others.at("done"), Load)
        loads.check(the, load)
        for reason, count in stormed.refusals.items():
            figures.say(f"not let in: {count:,} × {reason}")
        figures.add("edge.reconnect_storm_s", stormed.seconds)
        figures.add("edge.reconnect_storm_attempts_again", sum(stormed.refusals.values()))
        figures.add("edge.kb_per_tls_connection_after_storm", self._kb_each())
        figures.add("edge.storm_other_p50_ms", load.p50_ms)
        figures.add("edge.storm_other_p99_ms", load.p99_ms)
        figures.table(
            "All devices are cut off at once", ("", "seconds", "not let in", "others p50 ms", "p99", "max"),
            [("come back", stormed.seconds, sum(stormed.refusals.values()), load.p50_ms, load.p99_ms, load.max_ms)],
        )  # fmt: skip
