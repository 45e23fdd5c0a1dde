"""`python -m tests.soak [SECONDS]`: load and kills, printed and written to build/bench.json; see tests/bench/README.md."""

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import uvloop
from rich.console import Console

from tests.bench import cpu
from tests.bench.__main__ import OUTPUT, WIDTH
from tests.bench.figures import Figures
from tests.soak.plan import Plan
from tests.soak.soak import Outcome, Soak
from tests.support.platform import platform

KILLS = {"edge": 10, "postgres": 5, "valkey": 5}
SECONDS = 600.0
LEVEL_S = 60.0


def main(arguments: Sequence[str]) -> int:
    """Soak; the exit code is 1 when an acknowledged reading was lost."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("seconds", nargs="?", type=float, default=SECONDS, metavar="SECONDS", help=f"{SECONDS:g} by default")
    seconds = parser.parse_args(arguments).seconds
    plan = Plan(seconds=seconds, kills=KILLS, level_s=LEVEL_S if seconds >= LEVEL_S * 4 else 0.0)
    figures = Figures(Console(highlight=False, width=WIDTH))
    figures.say(f"soak of {plan.seconds:g} s on {cpu.machine()}")
    with (
        tempfile.TemporaryDirectory(prefix="iotsphere-soak-") as directory,
        platform(Path(directory) / "home", demo=False) as it,
    ):
        outcome = uvloop.run(Soak(it, plan, Path(directory) / "devices", figures.say).run())
    report(figures, plan, outcome)
    figures.summary()
    figures.write(OUTPUT, whole=True)
    figures.say(f"written to {OUTPUT}")
    return 1 if figures.failures else 0


def report(figures: Figures, plan: Plan, outcome: Outcome) -> None:
    """The figures, and what must hold of them."""
    found, kills = outcome.comparison, Counter(kill.service for kill in outcome.kills)
    figures.add("durability.acked_points", found.acked)
    figures.add("durability.lost", found.lost)
    figures.add("durability.duplicates", found.duplicates)
    figures.add("durability.repeated_messages", outcome.repeated)
    figures.add("durability.least_messages_in_flight_at_a_kill", min(kill.flying for kill in outcome.kills))
    figures.add("durability.longest_recovery_s", max(kill.back_s for kill in outcome.kills))
    for service, count in kills.items():
        figures.add(f"durability.kills_of_{service}", count)
    if outcome.resident_level:
        figures.add("soak.edge_rss_mib", outcome.resident_steady / 2**20)
        figures.add("edge.rss_growth_percent", (outcome.resident_steady / outcome.resident_level - 1) * 100)
        figures.add("soak.edge_rss_points", outcome.steady_points)
    figures.check(found.lost == 0, f"{found.lost} acknowledged readings are not in the table")
    figures.check(found.duplicates == 0, f"{found.duplicates} readings are stored more than once")
    figures.check(kills == Counter(plan.kills), f"kills: {dict(kills)}")
    figures.check(not outcome.tracebacks, f"unexpected exceptions in {', '.join(outcome.tracebacks)}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
