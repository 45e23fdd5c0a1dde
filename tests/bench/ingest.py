"""Readings: how many a second are committed and acknowledged, at what cost, and how long an acknowledgement takes."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from tests.bench import baseline, cpu
from tests.bench.child import child
from tests.bench.figures import middle
from tests.bench.generator import Job, Load
from tests.bench.stage import DEVICES, POINTS, VIEWERS, Stage, viewers

CONNECTIONS = 50
WINDOW = 50
ROUNDS = 3
SHALLOW_WINDOW = 4  # of all devices: reads and writes carry few messages, as in most fleets
SETTLE_S = 6.0  # a session's first 5 s count as possible repetitions and take the slower way
WARM_S, MEASURE_S = 2.0, 6.0
PACED_WARM_S, PACED_S = 2.0, 8.0
QUIET_MESSAGES_PER_S = 40.0
EXPECTED_MOST = 80_000.0  # messages a second; so many are encoded ahead
COPIED_ROWS = 300_000
AGE_MS = 12 * 3_600_000  # readings lie in the past, where no round meets another
ROUND_APART_MS = 600_000


@dataclass
class Round:
    """One saturated round."""

    load: Load
    cpu_s: Mapping[str, float]
    rows: int
    copy: float
    tuned: float

    @property
    def points_per_s(self) -> float:
        """Committed and acknowledged."""
        return self.load.measured * POINTS / self.load.seconds

    @property
    def millions(self) -> float:
        """Points within the measurement."""
        return self.load.measured * POINTS / 1e6


class Ingest:
    """The part `ingest`."""

    def __init__(self, the: Stage) -> None:
        self._the = the
        self._next_ms = int(time.time() * 1000) - AGE_MS

    async def run(self) -> None:
        """All measures of ingest, ten viewers looking on: half of them at the fleet, half at one device each."""
        the = self._the
        rooms = [f"type:{the.device_type.key}"] * (VIEWERS // 2)
        rooms += [f"device:{device}" for device in the.devices[: VIEWERS - len(rooms)]]
        async with viewers(the, rooms) as watching:
            rounds = [await self._round(number) for number in range(ROUNDS)]
            self._report(rounds)
            await self._acknowledgements(await self._shallow() / 2)
            seen = await watching.finish()
        the.figures.add("ingest.viewer_messages", seen["messages"])
        the.figures.add("ingest.viewer_cpu_s", seen["cpu_s"])
        the.figures.check(not seen["silent"], f"nothing came in the rooms {seen['silent']}")

    def _job(
        self, rate: float, warm_s: float, seconds: float, *, connections: int = DEVICES, window: int = SHALLOW_WINDOW
    ) -> Job:
        self._next_ms += ROUND_APART_MS
        the = self._the
        return Job(
            port=the.mqtt_port, certificates=str(the.certificates), devices=the.devices[:connections], readings=the.readings,
            first_ms=self._next_ms, window=window, rate=rate, most=EXPECTED_MOST,
            settle_s=SETTLE_S, warm_s=warm_s, seconds=seconds,
        )  # fmt: skip

    async def _load(self, job: Job) -> tuple[Load, dict[str, float]]:
        async with child("tests.bench.generator", job) as generator:
            await generator.at("connected")
            await generator.at("begin")
            before = self._the.cpu()
            await generator.at("end")
            after = self._the.cpu()
            load = msgspec.convert(await generator.at("done"), Load)
        self._check(load)
        return load, cpu.spent(before, after)

    def _check(self, load: Load) -> None:
        figures = self._the.figures
        figures.check(not load.failures, f"connections failed: {load.failures[:3]}")
        figures.check(not load.exhausted, "the generator ran out of messages: raise EXPECTED_MOST")
        figures.check(load.acked == load.sent, f"{load.sent - load.acked} messages were not acknowledged in time")

    async def _round(self, number: int) -> Round:
        the = self._the
        the.figures.say(f"ingest round {number + 1} of {ROUNDS}: {CONNECTIONS} connections × window {WINDOW} …")
        await the.empty()
        load, cpu_s = await self._load(self._job(0, WARM_S, MEASURE_S, connections=CONNECTIONS, window=WINDOW))
        stored = await the.stored()
        lost = load.acked * POINTS - stored
        the.figures.check(lost == 0, f"{lost} acknowledged readings are not in the table")
        rows = baseline.rows_of(load.per_device, the.readings, load.first_ms, COPIED_ROWS)
        rates = {}
        for tuned in (False, True):
            await the.empty()
            rates[tuned] = await baseline.copy_rate(the.platform.dsn, rows, tuned=tuned)
            the.figures.check(await the.stored() == len(rows), "COPY did not store its rows")
        return Round(load, cpu_s, stored, rates[False], rates[True])

    def _report(self, rounds: list[Round]) -> None:
        figures = self._the.figures
        servers = list(rounds[0].cpu_s)
        figures.table(
            "Saturated, mutual TLS, QoS 1, 5 points a message, PUBACK = committed (s/M: CPU seconds per million points)",
            ("round", "points/s", "COPY rows/s", "tuned COPY", *(f"{name} s/M" for name in servers), "generator s/M"),
            [
                (number, one.points_per_s, one.copy, one.tuned, *(one.cpu_s[name] / one.millions for name in servers),
                 one.load.cpu_s / one.millions)
                for number, one in enumerate(rounds, 1)
            ],
        )  # fmt: skip
        figures.add("ingest.points_per_s", middle([one.points_per_s for one in rounds]))
        figures.add("ingest.copy_rows_per_s", middle([one.copy for one in rounds]))
        figures.add("ingest.ratio_to_copy", middle([one.points_per_s / one.copy for one in rounds]))
        figures.add("ingest.ratio_to_tuned_copy", middle([one.points_per_s / one.tuned for one in rounds]))
        figures.add("ingest.generator_cpu_s_per_million_points", middle([one.load.cpu_s / one.millions for one in rounds]))
        figures.add("ingest.server_cpu_s_per_million_points", middle([sum(one.cpu_s.values()) / one.millions for one in rounds]))
        for name in servers:
            figures.add(f"ingest.{name}_cpu_s_per_million_points", middle([one.cpu_s[name] / one.millions for one in rounds]))

    async def _shallow(self) -> float:
        """Messages a second when no device has more than a few on their way."""
        figures = self._the.figures
        figures.say(f"ingest: {DEVICES} connections × window {SHALLOW_WINDOW} …")
        await self._the.empty()
        load, cpu_s = await self._load(self._job(0, WARM_S, MEASURE_S))
        figures.add("ingest.shallow_points_per_s", load.measured * POINTS / load.seconds)
        figures.add("ingest.shallow_server_cpu_s_per_million_points", sum(cpu_s.values()) / (load.measured * POINTS / 1e6))
        return load.measured / load.seconds

    async def _acknowledgements(self, half: float) -> None:
        """On a fixed schedule, from the moment at which each message was due: a stall counts for all that it delays."""
        figures, rows = self._the.figures, []
        await self._the.empty()
        for name, rate in (("quiet", QUIET_MESSAGES_PER_S), ("half_load", half)):
            figures.say(f"ingest: time to the PUBACK at {rate:,.0f} messages/s …")
            load, _ = await self._load(self._job(rate, PACED_WARM_S, PACED_S))
            rows.append((name, rate, load.p50_ms, load.p99_ms, load.max_ms))
            figures.add(f"ingest.puback_{name}_p50_ms", load.p50_ms)
            figures.add(f"ingest.puback_{name}_p99_ms", load.p99_ms)
        figures.add("ingest.puback_p99_ms", max(row[3] for row in rows))
        figures.table("Publish → PUBACK (committed), ms", ("load", "messages/s", "p50", "p99", "max"), rows)
