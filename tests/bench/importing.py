"""Imports: a CSV file through `iotsphere telemetry import`, once, and once more when everything is there already."""

import asyncio
import json
import time
from pathlib import Path

from tests.bench.stage import POINTS, Stage

ROWS = 1_000_000
DEVICES = 100
MINUTE_MS = 60_000


class Import:
    """The part `import`."""

    def __init__(self, the: Stage) -> None:
        self._the = the

    async def run(self) -> None:
        """Write a file, import it, import it again."""
        the, figures = self._the, self._the.figures
        await the.empty()
        file = the.certificates / "import.csv"
        figures.say(f"import: a file of {ROWS:,} readings is written …")
        await asyncio.to_thread(self._write, file)
        for name, options in (("import.rows_per_s", ()), ("import.rows_per_s_again", ("--again",))):
            figures.say(f"import: … and imported{' again' if options else ''} …")
            began = time.monotonic()
            printed = await asyncio.to_thread(
                the.platform.installation.must, "telemetry", "import", str(file), "--time-format", "ms", "--json", *options
            )
            took, report = time.monotonic() - began, json.loads(printed)
            figures.check(report["stored"] == ROWS, f"{report['stored']:,} of {ROWS:,} readings were imported")
            figures.check(await the.stored() == ROWS, f"{await the.stored():,} rows are in the table, not {ROWS:,}")
            figures.add(name, ROWS / took)
        await the.empty()

    def _write(self, file: Path) -> None:
        """One reading a line, by time and then by device, as a historian writes it."""
        minutes = ROWS // (DEVICES * POINTS)
        start = int(time.time() * 1000) - (minutes + 10) * MINUTE_MS
        devices = self._the.devices[:DEVICES]
        names = [reading.key for reading in self._the.readings]
        with file.open("w") as out:
            out.write("time,device,measurement,value\n")
            for minute in range(minutes):
                ts = start + minute * MINUTE_MS
                out.writelines(f"{ts},{device},{name},{minute % 100}.5\n" for device in devices for name in names)
