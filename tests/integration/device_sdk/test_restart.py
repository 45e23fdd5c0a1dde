"""Devices that are restarted, and killed: what publish() has taken goes out all the same."""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from device_sdk import Batching, OutboxUnavailable
from device_sdk.journal import Journal
from iotsphere import topics
from tests.support.brokers import TestBroker, running_broker
from tests.support.pki import Pki
from tests.support.sdk_drivers import Driver, Make, write_connection
from tests.support.servers import free_port
from tests.support.waiting import until

pytestmark = pytest.mark.integration
ROOT = Path(__file__).parents[3]


@asynccontextmanager
async def device(make: Make, pki: Pki, **options: Any) -> AsyncIterator[Driver]:
    driver = make(pki, "d", **options)
    try:
        yield driver
    finally:
        await driver.close(0.0)


@asynccontextmanager
async def serving(pki: Pki) -> AsyncIterator[TestBroker]:
    """A broker that knows the device, and the device its address."""
    async with running_broker(pki) as it:
        it.device("d")
        write_connection(pki, "d", it.port)
        yield it


def readings(it: TestBroker) -> list[dict[str, Any]]:
    payloads = [json.loads(d.payload) for d in it.ingest.committed if d.topic == topics.telemetry("d")]
    return [reading for payload in payloads for reading in (payload if isinstance(payload, list) else [payload])]


def answers(it: TestBroker) -> list[dict[str, Any]]:
    return [json.loads(d.payload) for d in it.ingest.committed if d.topic == topics.command_response("d", "c1")]


async def ask(it: TestBroker) -> None:
    now = int(time.time() * 1000)
    body = {"id": "c1", "name": "go", "params": {}, "issued_at": now, "expires_at": now + 60_000}
    await it.broker.send("d", topics.command_request("d", "c1"), json.dumps(body).encode())


async def test_what_was_published_before_a_restart_goes_out_after_it_and_numbers_go_on(make: Make, pki: Pki) -> None:
    async with serving(pki) as it:
        async with device(make, pki) as first:
            await first.publish({"x": 1})
            await first.publish_all([{"x": 2}, {"x": 3}])
            await first.event("hello")
        async with device(make, pki) as second:
            assert second.device.backlog == 3
            await second.publish({"x": 4})
            await second.connect()
            await until(lambda: second.device.backlog == 0)
        async with device(make, pki) as third:
            assert third.device.backlog == 0
            await third.connect()
            assert await third.acknowledged(await third.publish({"x": 5}))
        assert [(r["values"]["x"], r["seq"]) for r in readings(it)] == [(n, n) for n in range(1, 6)]
        assert len({r["boot"] for r in readings(it)}) == 1


async def test_a_repeated_command_is_answered_after_a_restart_and_not_run_again(make: Make, pki: Pki) -> None:
    async with serving(pki) as it:
        runs: list[int] = []
        for run in range(2):
            async with device(make, pki) as one:
                one.device.on_command("go")(lambda params, run=run: runs.append(run) or {"run": run})
                await one.connect()
                await ask(it)
                await until(lambda run=run: len(answers(it)) > run)
                await until(lambda one=one: one.device.backlog == 0)
        assert runs == [0]
        assert answers(it) == [{"status": "succeeded", "result": {"run": 0}}] * 2


async def test_a_command_that_a_restart_cut_off_is_answered_so(make: Make, pki: Pki) -> None:
    async with serving(pki) as it:
        journal = Journal(pki.directory / "d.outbox", "d")
        async with device(make, pki) as one:
            begun = asyncio.Event()
            loop = asyncio.get_running_loop()

            def dies(params: dict[str, Any]) -> None:
                loop.call_soon_threadsafe(begun.set)
                raise asyncio.CancelledError  # no Exception: nothing answers for it

            one.device.on_command("go")(dies)
            await one.connect()
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr("threading.excepthook", lambda _: None)
                await ask(it)
                await begun.wait()
        assert journal.load().commands == {"c1": None}
        journal.close()
        async with device(make, pki) as two:
            await two.connect()
            await until(lambda: answers(it))
        assert answers(it)[0]["reason"]["code"] == "interrupted"


async def fill(driver: Driver) -> int:
    """Publish until the disk is full; how many were taken."""
    for number in range(10_000):
        try:
            await driver.publish({"x": number + 1})
        except OutboxUnavailable as error:
            assert "full" in str(error)  # noqa: PT017 - it must have been taken many times before
            return number
    raise AssertionError("it never was full")


async def test_on_a_full_disk_the_caller_is_told_and_it_goes_on_when_there_is_room(make: Make, pki: Pki) -> None:
    async with serving(pki) as it:
        async with device(make, pki) as one:
            await one.publish({"x": 0})
            disk = one.device._journal._connection  # type: ignore[union-attr]
            assert disk is not None
            disk.execute("pragma max_page_count = 20")
            taken = await fill(one)
            assert one.device.backlog == taken + 1
            disk.execute("pragma max_page_count = 1000000")
            await one.publish({"x": taken + 1})
            await one.connect()
            await until(lambda: one.device.backlog == 0, 15)
        found = readings(it)
        assert {r["values"]["x"] for r in found if r["values"]} == set(range(taken + 2))
        assert [r["dropped"] for r in found if "dropped" in r] == [[taken + 2, taken + 2]]  # the number of what was refused


async def test_readings_are_batched_on_the_wire_and_each_keeps_its_number(make: Make, pki: Pki) -> None:
    async with serving(pki) as it:
        async with device(make, pki, batching=Batching(count=10, seconds=0.2), encoding="json") as one:
            await one.connect()
            tickets = [await one.publish({"x": n}) for n in range(25)]
            assert await one.acknowledged(tickets[-1])
            assert all(ticket.done for ticket in tickets)
        sizes = [len(json.loads(d.payload)) for d in it.ingest.committed if d.topic == topics.telemetry("d")]
        assert sizes[:2] == [10, 10]
        assert [r["seq"] for r in readings(it)] == list(range(1, 26))


PROGRAM = """
import sys
from device_sdk import Device
made = Device.from_directory(sys.argv[1], "d", first_retry_s=0.1, longest_retry_s=0.5)
made.connect(0.0)
n = int(sys.argv[2])
while True:
    made.publish({"x": n})
    print(n, flush=True)
    n += 1
"""


async def live(pki: Pki, first: int, seconds: float) -> int:
    """A device that publishes numbers from the first on until it is killed; the last one that publish() has taken."""
    command = (sys.executable, "-c", PROGRAM, str(pki.directory), str(first))
    child = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
    assert child.stdout is not None
    begun = await child.stdout.readline()
    await asyncio.sleep(seconds)
    child.kill()
    said = begun + await child.stdout.read()
    await child.wait()
    return int(said.split(b"\n")[-2])  # the line after it may be cut


async def test_a_killed_device_loses_nothing_that_publish_has_taken(pki: Pki) -> None:
    write_connection(pki, "d", free_port())
    kept = await live(pki, 1, 0.3)
    sent: set[float] = set()
    for _ in range(3):
        async with serving(pki) as it:
            kept = await live(pki, kept + 1, 0.4)
            sent |= {r["values"]["x"] for r in readings(it)}
    journal = Journal(pki.directory / "d.outbox", "d")
    left = {json.loads(entry.body)["values"]["x"] for entry in journal.load().entries}
    journal.close()
    assert sent
    assert set(range(1, kept + 1)) <= sent | left
