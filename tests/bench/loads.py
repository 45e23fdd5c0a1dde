"""Rounds of load against the running platform: the job, the snapshots around its measurement, what must hold of the result."""

from dataclasses import dataclass

import msgspec

from tests.bench import cpu
from tests.bench.child import child
from tests.bench.generator import Job, Load
from tests.bench.stage import POINTS, Stage

SETTLE_S = 6.0  # a session's first 5 s count as possible repetitions and take the slower way
WARM_S, MEASURE_S = 2.0, 6.0
EXPECTED_MOST = 80_000.0  # messages a second; so many are encoded ahead


@dataclass(frozen=True)
class Measured:
    """A round, and the CPU seconds of the servers within its measurement."""

    load: Load
    cpu_s: dict[str, float]

    @property
    def points_per_s(self) -> float:
        """Committed and acknowledged."""
        return self.load.measured * POINTS / self.load.seconds

    @property
    def millions(self) -> float:
        """Points within the measurement."""
        return self.load.measured * POINTS / 1e6


def job(
    the: Stage, connections: int, *, window: int = 0, rate: float = 0.0, seconds: float = MEASURE_S, until_told: bool = False
) -> Job:
    """Of the first devices of the stage: ``window`` messages of each on their way, or ``rate`` messages a second of all."""
    return Job(
        port=the.mqtt_port, certificates=str(the.certificates), devices=the.devices[:connections], readings=the.readings,
        first_ms=the.moment_ms(), window=window, rate=rate, most=EXPECTED_MOST,
        settle_s=SETTLE_S, warm_s=WARM_S, seconds=seconds, until_told=until_told,
    )  # fmt: skip


async def run(the: Stage, job: Job) -> Measured:
    """One round into an empty table; every acknowledged reading must be in it afterwards."""
    await the.empty()
    async with child("tests.bench.generator", job) as generator:
        await generator.at("connected")
        await generator.at("begin")
        before = the.cpu()
        await generator.at("end")
        after = the.cpu()
        load = msgspec.convert(await generator.at("done"), Load)
    check(the, load)
    lost = load.acked * POINTS - await the.stored()
    the.figures.check(lost == 0, f"{lost} acknowledged readings are not in the table")
    return Measured(load, cpu.spent(before, after))


def check(the: Stage, load: Load) -> None:
    """What must hold of every load."""
    figures = the.figures
    figures.check(not load.failures, f"connections failed: {load.failures[:3]}")
    figures.check(not load.exhausted, "the generator ran out of messages: raise EXPECTED_MOST")
    figures.check(load.acked == load.sent, f"{load.sent - load.acked} messages were not acknowledged in time")
