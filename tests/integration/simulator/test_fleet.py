"""A fleet against the embedded broker over mutual TLS."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import pytest

from device_sdk import Credentials
from iotsphere import topics
from iotsphere.devices import device_types
from simulator.fleet import run_fleet
from simulator.report import FleetReport, Progress
from tests.support.brokers import TestBroker, running_broker
from tests.support.pki import Pki
from tests.support.waiting import until

pytestmark = pytest.mark.integration
TYPE = next(iter(device_types().values()))


def fleet(it: TestBroker, count: int) -> list[Credentials]:
    names = [f"sim-{n}" for n in range(count)]
    for name in names:
        it.device(name, kind="simulated")
    return [_credentials(it, name) for name in names]


def _credentials(it: TestBroker, name: str) -> Credentials:
    place = it.pki.directory
    return Credentials(name, "localhost", it.port, place / "ca.crt", place / f"{name}.crt", place / f"{name}.key")


async def run(devices: Sequence[Credentials], duration_s: float | None = 2.0, **options: object) -> FleetReport:
    return await run_fleet(devices, TYPE, duration_s=duration_s, connects_per_s=200, **options)  # type: ignore[arg-type]


async def test_every_message_is_acknowledged_and_counted(pki: Pki) -> None:
    async with running_broker(pki) as it:
        seen: list[Progress] = []
        report = await run(fleet(it, 20), rate_hz=5.0, on_progress=seen.append)
        counted = Counter(d.device.id for d in it.ingest.committed if d.topic.endswith("telemetry"))
        assert report.published == report.acked == counted.total()
        assert report.lost == 0
        assert report.connected == report.devices == 20
        assert report.last_error == ""
        assert report.p99_ms is not None
        assert all(7 <= count <= 11 for count in counted.values())
        assert seen[-1].connected == 20
        assert it.broker.connected() == {}
    assert [t.get_name() for t in asyncio.all_tasks() if t.get_name().startswith(("device-", "simulat"))] == []


async def test_publishing_is_spread_over_the_interval(pki: Pki) -> None:
    async with running_broker(pki) as it:
        await run(fleet(it, 10), rate_hz=1.0, duration_s=3.5)
        arrivals = sorted(d.received_at % 1000 for d in it.ingest.committed if d.topic.endswith("telemetry"))
        assert max(b - a for a, b in pairwise(arrivals)) < 500


async def test_it_obeys_and_reports_and_answers(pki: Pki) -> None:
    async with running_broker(pki) as it:
        stop = asyncio.Event()
        running = asyncio.create_task(run(fleet(it, 1), None, rate_hz=0.01, stop=stop))
        await until(lambda: any(d.topic.endswith("shadow/get") for d in it.ingest.committed))
        wish = {p.key: p.default for p in TYPE.properties if p.writable}
        await it.broker.send("sim-0", topics.shadow_reply("sim-0", "get", "accepted"), _got(wish))
        await until(lambda: any(d.topic.endswith("shadow/update") for d in it.ingest.committed))
        reported = json.loads(next(d for d in it.ingest.committed if d.topic.endswith("shadow/update")).payload)["state"][
            "reported"
        ]
        assert {key: reported[key] for key in wish} == wish
        command = next(c for c in TYPE.commands if not c.params)
        await it.broker.send("sim-0", topics.command_request("sim-0", "c1"), _request(command.name))
        await until(lambda: any(d.topic.endswith("c1/response") for d in it.ingest.committed))
        answer = next(d for d in it.ingest.committed if d.topic.endswith("c1/response"))
        assert json.loads(answer.payload)["status"] == "succeeded"
        stop.set()
        report = await running
        assert (report.commands, report.desired, report.lost) == (1, 1, 0)


def _got(wish: dict[str, object]) -> bytes:
    return json.dumps({"version": 1, "timestamp": 1, "state": {"desired": wish, "delta": wish}}).encode()


def _request(name: str) -> bytes:
    now = int(time.time() * 1000)
    return json.dumps({"id": "c1", "name": name, "params": {}, "issued_at": now, "expires_at": now + 9000}).encode()


async def test_a_refused_device_does_not_stop_the_others(pki: Pki) -> None:
    async with running_broker(pki) as it:
        devices = fleet(it, 2)
        pki.issue("stranger", kind="simulated")
        report = await run([*devices, _credentials(it, "stranger")], rate_hz=5.0, duration_s=1.0)
        assert (report.devices, report.connected, report.lost) == (3, 2, 0)
        assert report.last_error.startswith("stranger: the broker refused")
