"""Readings: how many a second are committed and acknowledged, at what cost, and how long an acknowledgement takes."""

from dataclasses import dataclass

from tests.bench import baseline, loads
from tests.bench.figures import middle
from tests.bench.loads import Measured
from tests.bench.stage import POINTS, Stage, viewers

CONNECTIONS, WINDOW = 50, 50
SHALLOW_CONNECTIONS, SHALLOW_WINDOW = 200, 4  # reads and writes carry few messages, as in most fleets
ROUNDS = 3
PACED_S = 8.0
QUIET_MESSAGES_PER_S = 40.0
COPIED_ROWS = 300_000


@dataclass
class Round:
    """A saturated round and its yardsticks."""

    ours: Measured
    copy: float
    tuned: float


class Ingest:
    """The part `ingest`."""

    def __init__(self, the: Stage) -> None:
        self._the = the

    async def run(self) -> None:
        """All measures of ingest, ten viewers looking on."""
        async with viewers(self._the, self._the.devices):
            rounds = [await self._round(number) for number in range(ROUNDS)]
            self._report(rounds)
            await self._shallow()
            self._the.saturated_messages_per_s = middle([one.ours.points_per_s for one in rounds]) / POINTS
            await self._acknowledgements(self._the.saturated_messages_per_s / 2)

    async def _round(self, number: int) -> Round:
        the = self._the
        the.figures.say(f"ingest round {number + 1} of {ROUNDS}: {CONNECTIONS} connections × window {WINDOW} …")
        ours = await loads.run(the, loads.job(the, CONNECTIONS, window=WINDOW))
        rows = baseline.rows_of(ours.load.per_device, the.readings, ours.load.first_ms, COPIED_ROWS)
        rates = {}
        for tuned in (False, True):
            await the.empty()
            rates[tuned] = await baseline.copy_rate(the.platform.dsn, rows, tuned=tuned)
            the.figures.check(await the.stored() == len(rows), "COPY did not store its rows")
        return Round(ours, rates[False], rates[True])

    def _report(self, rounds: list[Round]) -> None:
        figures, ours = self._the.figures, [one.ours for one in rounds]
        servers = list(ours[0].cpu_s)
        figures.table(
            "Saturated, mutual TLS, QoS 1, 5 points a message, PUBACK = committed (s/M: CPU seconds per million points)",
            ("round", "points/s", "COPY rows/s", "tuned COPY", *(f"{name} s/M" for name in servers), "generator s/M"),
            [
                (number, one.ours.points_per_s, one.copy, one.tuned,
                 *(one.ours.cpu_s[name] / one.ours.millions for name in servers), one.ours.load.cpu_s / one.ours.millions)
                for number, one in enumerate(rounds, 1)
            ],
        )  # fmt: skip
        figures.add("ingest.points_per_s", middle([one.points_per_s for one in ours]))
        figures.add("ingest.copy_rows_per_s", middle([one.copy for one in rounds]))
        figures.add("ingest.ratio_to_copy", middle([one.ours.points_per_s / one.copy for one in rounds]))
        figures.add("ingest.ratio_to_tuned_copy", middle([one.ours.points_per_s / one.tuned for one in rounds]))
        figures.add("ingest.generator_cpu_s_per_million_points", middle([one.load.cpu_s / one.millions for one in ours]))
        figures.add("ingest.server_cpu_s_per_million_points", middle([sum(one.cpu_s.values()) / one.millions for one in ours]))
        for name in servers:
            figures.add(f"ingest.{name}_cpu_s_per_million_points", middle([one.cpu_s[name] / one.millions for one in ours]))

    async def _shallow(self) -> None:
        """When no device has more than a few on their way."""
        the, figures = self._the, self._the.figures
        figures.say(f"ingest: {SHALLOW_CONNECTIONS} connections × window {SHALLOW_WINDOW} …")
        one = await loads.run(the, loads.job(the, SHALLOW_CONNECTIONS, window=SHALLOW_WINDOW))
        figures.add("ingest.points_per_s_shallow", one.points_per_s)
        figures.add("ingest.server_cpu_s_per_million_points_shallow", sum(one.cpu_s.values()) / one.millions)

    async def _acknowledgements(self, half: float) -> None:
        """On a fixed schedule, from the moment at which each message was due: a stall counts for all that it delays."""
        the, figures, rows = self._the, self._the.figures, []
        for name, suffix, rate in (("quiet", "", QUIET_MESSAGES_PER_S), ("half load", "_half_load", half)):
            figures.say(f"ingest: time to the PUBACK at {rate:,.0f} messages/s …")
            one = await loads.run(the, loads.job(the, CONNECTIONS, rate=rate, seconds=PACED_S))
            load = one.load
            rows.append((name, rate, load.p50_ms, load.p99_ms, load.max_ms, sum(one.cpu_s.values()) / load.seconds))
            figures.add(f"ingest.puback_p50_ms{suffix}", load.p50_ms)
            figures.add(f"ingest.puback_p99_ms{suffix}", load.p99_ms)
        figures.table("Publish → PUBACK (committed), ms", ("load", "messages/s", "p50", "p99", "max", "server cores"), rows)
