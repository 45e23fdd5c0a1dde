"""`edge` is killed with SIGKILL five times under load: what was acknowledged is in the table."""

import asyncio
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
import pytest

from certs.issue import ensure_server
from iotsphere import topics
from launcher.embedded.postgres import wrapped
from tests.support.brokers import until
from tests.support.edge import register
from tests.support.mqtt_raw import RawClient
from tests.support.pki import Pki
from tests.support.servers import free_port

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

KILLS = 5
DEVICES = 50
WINDOW = 20
LOAD_SECONDS = (1.0, 2.5)  # between the first PUBACK after a start and the kill, growing
LIMIT_SECONDS = 90.0

EDGE = """
import json, sys
from pathlib import Path
from iotsphere.infra import logging
from launcher.edge import EdgeOptions, main
logging.configure(service="edge")
options = json.loads(sys.argv[1])
paths = {name: Path(options[name]) for name in ("certificate", "key", "ca", "data")}
main(EdgeOptions(**{**options, **paths, "on_ready": lambda mqtt, http: print("ready", flush=True)}))
"""


@dataclass
class Device:
    """Publishes readings, each with a value of its own, and remembers which were acknowledged."""

    id: str
    numbers: "itertools.count[int]"
    acked: set[int] = field(default_factory=set)
    sent: int = 0

    async def run(self, port: int, pki: Pki) -> None:
        """Publish until cancelled, connecting again after each loss."""
        context = pki.client(self.id)
        while True:
            try:
                client = await RawClient.session(port, context, self.id)
            except (OSError, AssertionError, TimeoutError):
                await asyncio.sleep(0.2)
                continue
            await self._publish(client)
            client.writer.transport.abort()

    async def _publish(self, client: RawClient) -> None:
        flying: dict[int, int] = {}
        for packet_id in itertools.cycle(range(1, 60_000)):
            number = next(self.numbers)
            payload = json.dumps({"ts": time.time_ns() // 1_000 / 1_000, "values": {"load": number}})
            client.publish(topics.telemetry(self.id), payload.encode(), packet_id)
            flying[packet_id] = number
            self.sent += 1
            while len(flying) >= WINDOW:
                try:
                    answer = await client.packet()
                except TimeoutError:
                    return
                if answer == b"":
                    return
                assert answer[0] == 0x40
                self.acked.add(flying.pop(int.from_bytes(answer[2:4], "big")))


class EdgeProcess:
    """`edge` in a process of its own, on fixed ports, so that it can be killed."""

    def __init__(self, options: dict[str, object], log: Path) -> None:
        self._options, self._log = options, log
        self.process: subprocess.Popen[str] | None = None

    async def start(self) -> None:
        """Returns when devices may connect."""
        self._launch()
        await asyncio.to_thread(self._wait_until_ready)

    def _launch(self) -> None:
        # Not from a worker thread: the process dies with the thread that started it.
        program = wrapped([sys.executable, "-c", EDGE, json.dumps(self._options)], None, "SIGKILL")
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(program, stdout=subprocess.PIPE, stderr=log, text=True)

    def _wait_until_ready(self) -> None:
        assert self.process is not None
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "ready\n", self._log.read_text()[-3000:]

    def kill(self) -> None:
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def end(self) -> None:
        assert self.process is not None
        self.process.terminate()
        assert self.process.wait(20) == 0


async def test_no_acknowledged_reading_is_missing_after_five_kills(
    pki: Pki, migrated_dsn: str, valkey_url: str, tmp_path: Path
) -> None:
    numbers = itertools.count(1)
    devices = [Device(f"d{n}", numbers) for n in range(DEVICES)]
    for device in devices:
        await register(migrated_dsn, device.id, pki.issue(device.id))
    certificate, key = ensure_server(pki.authority, ["localhost", "127.0.0.1"])
    port = free_port()
    edge = EdgeProcess(
        {
            "dsn": migrated_dsn, "redis_url": valkey_url, "mqtt_port": port, "certificate": str(certificate), "key": str(key),
            "ca": str(pki.authority.ca_file), "data": str(tmp_path),
        },
        tmp_path / "edge.log",
    )  # fmt: skip
    began = time.monotonic()
    async with asyncio.timeout(LIMIT_SECONDS):
        await edge.start()
        loads = [asyncio.create_task(device.run(port, pki)) for device in devices]
        try:
            for kill in range(KILLS):
                before = acked(devices)
                await until(lambda before=before: acked(devices) > before, 30)
                low, high = LOAD_SECONDS
                await asyncio.sleep(low + (high - low) * kill / KILLS)
                edge.kill()
                await edge.start()
            await asyncio.sleep(LOAD_SECONDS[0])
        finally:
            for load in loads:
                load.cancel()
            results = await asyncio.gather(*loads, return_exceptions=True)
            await asyncio.to_thread(edge.end)
    assert [r for r in results if not isinstance(r, asyncio.CancelledError)] == []
    stored, twice = await what_is_stored(migrated_dsn)
    promised = set().union(*(device.acked for device in devices))
    print(
        f"{KILLS} kills in {time.monotonic() - began:.0f} s: {sum(d.sent for d in devices)} sent, {len(promised)} acknowledged, "
        f"{len(stored)} stored, {len(promised - stored)} missing"
    )
    assert len(promised) > 1000
    assert promised - stored == set()
    assert twice == 0
    assert await open_sessions(migrated_dsn) == 0


def acked(devices: list[Device]) -> int:
    return sum(len(device.acked) for device in devices)


async def what_is_stored(dsn: str) -> tuple[set[int], int]:
    """The values in the table, and how many are there more than once."""
    connection = await asyncpg.connect(dsn)
    try:
        rows = await connection.fetch("select value from telemetry.telemetry where measurement = 'load'")
    finally:
        await connection.close()
    values = [int(row[0]) for row in rows]
    return set(values), len(values) - len(set(values))


async def open_sessions(dsn: str) -> int:
    """Sessions and presence rows that still say connected after everything has ended."""
    connection = await asyncpg.connect(dsn)
    try:
        found: int = await connection.fetchval(
            "select (select count(*) from registry.sessions where disconnected_at is null)"
            " + (select count(*) from registry.presence where connected)"
        )
    finally:
        await connection.close()
    return found
