"""`python -m tests.bench [PART …]`: figures of the whole platform on this machine, printed and written to build/bench.json."""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import uvloop
from rich.console import Console

from tests.bench import cpu
from tests.bench.command import Commands
from tests.bench.export import Export
from tests.bench.figures import Figures
from tests.bench.fleet import Fleet
from tests.bench.history import HistoryPart
from tests.bench.importing import Import
from tests.bench.ingest import Ingest
from tests.bench.live import Live
from tests.bench.logs import tracebacks
from tests.bench.peers import Peers
from tests.bench.sdk import Sdk
from tests.bench.shadow import Shadow
from tests.bench.stage import Stage, stage
from tests.bench.store import StorePart
from tests.support.platform import Platform, platform


class Part(Protocol):
    """Some measures that belong together."""

    async def run(self) -> None:
        """Take them."""


PARTS: dict[str, Callable[[Stage], Part]] = {
    "ingest": Ingest,
    "command": Commands,
    "shadow": Shadow,
    "live": Live,
    "store": StorePart,
    "history": HistoryPart,
    "export": Export,
    "import": Import,
    "peers": Peers,
    "fleet": Fleet,
    "sdk": Sdk,
}
OUTPUT = Path("build/bench.json")
WIDTH = 150  # a file or a pipe has none of its own


def main(arguments: Sequence[str]) -> int:
    """Run the parts; the exit code is 1 when something was lost or not as it must be."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"one of {', '.join(PARTS)}; all when none is given")
    parts = parser.parse_args(arguments).parts or list(PARTS)
    if unknown := set(parts) - PARTS.keys():
        parser.error(f"no part {', '.join(sorted(unknown))}: there are {', '.join(PARTS)}")
    figures = Figures(Console(highlight=False, width=WIDTH))
    began = time.monotonic()
    figures.say(f"bench on {cpu.machine()}")
    with (
        tempfile.TemporaryDirectory(prefix="iotsphere-bench-") as directory,
        platform(Path(directory) / "home", demo=False) as it,
    ):
        uvloop.run(_run(it, figures, Path(directory) / "devices", parts))
    figures.summary()
    figures.write(OUTPUT, whole=set(parts) == PARTS.keys())
    figures.say(f"{time.monotonic() - began:.0f} s; written to {OUTPUT}")
    return 1 if figures.failures else 0


async def _run(it: Platform, figures: Figures, directory: Path, parts: Sequence[str]) -> None:
    async with stage(it, figures, directory) as the:
        for name in parts:
            await PARTS[name](the).run()
        figures.check(not (found := tracebacks(it.home.logs)), f"unexpected exceptions in {', '.join(found)}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
