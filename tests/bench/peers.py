"""The same work by mosquitto and a good script behind it, in turn with ours, on the same PostgreSQL and into the same table."""

import time
from dataclasses import dataclass
from pathlib import Path

import msgspec

from tests.bench import cpu, loads
from tests.bench.batch_script import Job as ScriptJob
from tests.bench.child import child
from tests.bench.figures import middle
from tests.bench.generator import Load
from tests.bench.ingest import CONNECTIONS, WINDOW
from tests.bench.loads import Measured
from tests.bench.mosquitto import mosquitto, program
from tests.bench.shared_counter import SharedCounter
from tests.bench.stage import POINTS, Stage, viewers
from tests.support.servers import free_port
from tests.support.waiting import until

ROUNDS = 2
WARM_S, MEASURE_S = 4.0, 8.0
CATCHES_UP_S = 30.0


@dataclass(frozen=True)
class PeerRound:
    """Rows stored, within the measurement."""

    rows: int
    seconds: float
    cpu_s: dict[str, float]

    @property
    def points_per_s(self) -> float:
        """Stored."""
        return self.rows / self.seconds


class Peers:
    """The part `peers`."""

    def __init__(self, the: Stage) -> None:
        self._the = the

    async def run(self) -> None:
        """Both in turn."""
        the, figures = self._the, self._the.figures
        if program() is None:
            figures.say("peers: skipped, mosquitto is not installed (Debian's package `mosquitto`)")
            return
        rounds: list[tuple[Measured, PeerRound]] = []
        for number in range(ROUNDS):
            figures.say(f"peers round {number + 1} of {ROUNDS}: ours …")
            async with viewers(the, the.devices):
                ours = await loads.run(the, loads.job(the, CONNECTIONS, window=WINDOW))
            figures.say(f"peers round {number + 1} of {ROUNDS}: mosquitto and a batching script …")
            rounds.append((ours, await self._peer(the.certificates / f"peer-{number}")))
        self._report(rounds)

    async def _peer(self, directory: Path) -> PeerRound:
        the, port = self._the, free_port()
        await the.empty()
        async with mosquitto(directory, port) as broker:
            stored = SharedCounter(directory / "stored")
            async with child("tests.bench.batch_script", ScriptJob(port, the.platform.dsn, str(directory / "stored"))) as script:
                await script.at("subscribed")
                pids = {"mosquitto": broker, "script": script.pid, "postgres": int(the.platform.service("postgres")["pid"])}
                job = loads.job(the, CONNECTIONS, window=WINDOW, seconds=MEASURE_S)
                job.port, job.certificates, job.stored, job.settle_s, job.warm_s = (
                    port,
                    "",
                    str(directory / "stored"),
                    0.0,
                    WARM_S,
                )
                async with child("tests.bench.generator", job) as generator:
                    await generator.at("connected")
                    await generator.at("begin")
                    before, rows, began = cpu.snapshot(pids), stored.value, time.perf_counter()
                    await generator.at("end")
                    one = PeerRound(stored.value - rows, time.perf_counter() - began, cpu.spent(before, cpu.snapshot(pids)))
                    load = msgspec.convert(await generator.at("done"), Load)
                loads.check(the, load)
                await until(lambda: stored.value >= load.acked * POINTS, CATCHES_UP_S)
                await script.finish()
        the.figures.check(await the.stored() == load.acked * POINTS, "the script did not store everything")
        return one

    def _report(self, rounds: list[tuple[Measured, PeerRound]]) -> None:
        figures = self._the.figures
        lines = []
        for number, (ours, peer) in enumerate(rounds, 1):
            costs = [value / peer.rows * 1e6 for value in peer.cpu_s.values()]
            lines.append(
                (number, ours.points_per_s, peer.points_per_s, sum(ours.cpu_s.values()) / ours.millions, sum(costs), *costs)
            )
        figures.table(
            "The same readings by mosquitto (plain TCP, PUBACK = in memory), aiomqtt and batches of 1,000 rows",
            (
                "round",
                "ours points/s",
                "peer points/s",
                "ours CPU s/M",
                "peer CPU s/M",
                *(f"{name} s/M" for name in rounds[0][1].cpu_s),
            ),
            lines,
        )
        figures.add("ingest.batch_script_points_per_s", middle([peer.points_per_s for _, peer in rounds]))
        figures.add("ingest.batch_script_cpu_s_per_million_points", middle([line[4] for line in lines]))
        figures.add("ingest.ratio_to_batch_script", middle([ours.points_per_s / peer.points_per_s for ours, peer in rounds]))
