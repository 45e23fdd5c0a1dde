"""Exports: all readings of a fleet through REST as one CSV file, and what `cloud` holds of it meanwhile."""

import asyncio
import http.client
import time
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, urlsplit

from tests.bench import cpu
from tests.bench.stage import POINTS, Stage

ROWS = 10_000_000
DEVICES = 100
WARM_DEVICES = 2
CHUNK = 1 << 20
SAMPLE_S = 0.1
# In the order of the key, which is how a partition is filled fastest.
_FILL = """
insert into telemetry.telemetry (device_id, timestamp, measurement, value)
select d, $1::timestamptz + make_interval(secs => n), m, n % 100 + 0.5
from unnest($2::text[]) d, generate_series(0, $3 - 1) n, unnest($4::text[]) m
"""


class Export:
    """The part `export`."""

    def __init__(self, the: Stage) -> None:
        self._the = the
        self._most = 0  # bytes of `cloud`

    async def run(self) -> None:
        """Fill the table, export a little to warm up, then everything."""
        the, figures = self._the, self._the.figures
        devices, seconds = the.devices[:DEVICES], ROWS // (DEVICES * POINTS)
        start = datetime.now(UTC) - timedelta(seconds=seconds + 60)
        figures.say(f"export: {ROWS:,} readings of {DEVICES} devices are laid down …")
        await the.empty()
        names = [reading.key for reading in the.readings]
        for device in devices:
            await the.connection.execute(_FILL, start, [device], seconds, names, timeout=120)
        await the.connection.execute("vacuum analyze telemetry.telemetry", timeout=300)
        path = f"/api/v1/telemetry?from={quote(start.isoformat())}&devices="
        await asyncio.to_thread(self._lines, path + ",".join(devices[:WARM_DEVICES]))
        figures.say("export: … and fetched as one file …")
        cloud = int(the.platform.service("cloud")["pid"])
        resident, before, began = cpu.resident_bytes(cloud), the.cpu(), time.monotonic()
        watch = asyncio.create_task(self._highest(cloud), name="watch cloud")
        lines = await asyncio.to_thread(self._lines, path + ",".join(devices))
        took, spent = time.monotonic() - began, cpu.spent(before, the.cpu())
        watch.cancel()
        await asyncio.gather(watch, return_exceptions=True)
        figures.check(lines == ROWS + 1, f"{lines - 1:,} of {ROWS:,} readings were exported")
        figures.add("export.rows_per_s", ROWS / took)
        figures.add("export.rss_growth_mib", (self._most - resident) / 2**20)
        figures.add("export.server_cpu_s_per_million_rows", sum(spent.values()) / (ROWS / 1e6))
        await the.empty()

    async def _highest(self, pid: int) -> None:
        while True:
            self._most = max(self._most, cpu.resident_bytes(pid))
            await asyncio.sleep(SAMPLE_S)

    def _lines(self, path: str) -> int:
        """Lines of the file at a path; it is read to its end and thrown away."""
        where = urlsplit(self._the.platform.http)
        connection = http.client.HTTPConnection(where.hostname or "localhost", where.port, timeout=120)
        connection.request("GET", path, headers={"Accept": "text/csv", "Authorization": f"Bearer {self._the.token}"})
        answer = connection.getresponse()
        self._the.figures.check(answer.status == 200, f"the export was answered with {answer.status}")
        lines = 0
        while chunk := answer.read(CHUNK):
            lines += chunk.count(b"\n")
        connection.close()
        return lines
