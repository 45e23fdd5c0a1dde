"""A fault matrix through a TCP proxy: both faces publish all the time, and whatever happens, nothing is lost or left behind."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from iotsphere import topics
from tests.support.brokers import TestBroker, running_broker
from tests.support.pki import Pki
from tests.support.proxy import Fault, Proxy, running_proxy
from tests.support.sdk_drivers import FACES, Driver, write_connection
from tests.support.waiting import until

pytestmark = pytest.mark.integration
LASTS_S = 1.0
BACK_S = 15.0
HASTE = {"keep_alive": 1, "connect_s": 1.0, "first_retry_s": 0.1, "longest_retry_s": 0.4}
MOST_ATTEMPTS = 40  # during a fault; half of a wait's bound is 0.2 s, a loop without waiting makes hundreds
DAY = timedelta(days=1)


@dataclass
class Field:
    """Both devices, their brokers, and what lies between."""

    pki: Pki
    proxy: Proxy
    brokers: list[TestBroker]
    drivers: list[Driver]
    stack: AsyncExitStack
    published: dict[str, int] = field(default_factory=dict)

    async def publish(self, driver: Driver) -> None:
        """A number every 10 ms, until cancelled."""
        for number in range(1, 1_000_000):
            await asyncio.shield(driver.publish({"x": number}))
            self.published[driver.device.id] = number
            await asyncio.sleep(0.01)

    def arrived(self, driver: Driver) -> set[float]:
        """Numbers that a broker has committed."""
        topic = topics.telemetry(driver.device.id)
        payloads = [json.loads(d.payload) for it in self.brokers for d in it.ingest.committed if d.topic == topic]
        return {payload["values"]["x"] for payload in payloads}

    async def all_cut_off(self) -> None:
        """Each knows that it is, why, and that something waits."""
        for driver in self.drivers:
            await until(lambda d=driver.device: not d.connected and d.last_error and d.backlog)

    async def all_back(self) -> None:
        """Each is connected, and something that was published since has been acknowledged."""
        for driver in self.drivers:
            await until(lambda d=driver.device: d.connected, BACK_S)
            number = self.published[driver.device.id] + 1
            await until(lambda d=driver, n=number: n in self.arrived(d), BACK_S)

    def attempts(self) -> list[int]:
        return [driver.device.attempts for driver in self.drivers]


@asynccontextmanager
async def in_the_field(pki: Pki, stack: AsyncExitStack) -> AsyncIterator[Field]:
    """Both faces are connected and publish; at the end nothing is lost, of nothing too much was tried, nothing is left."""
    async with running_broker(pki) as it, running_proxy(it.port) as proxy:
        drivers: list[Driver] = []
        for face in FACES:
            it.device(face.name)
            write_connection(pki, face.name, proxy.port)
            drivers.append(face(pki, face.name, **HASTE))
        made = Field(pki, proxy, [it], drivers, stack)
        await asyncio.gather(*(driver.connect() for driver in drivers))
        publishing = [asyncio.create_task(made.publish(driver)) for driver in drivers]
        try:
            await until(lambda: min(made.published.get(d.device.id, 0) for d in drivers) > 5)
            yield made
            await made.all_back()
        finally:
            await _end(publishing)
            await asyncio.gather(*(driver.close() for driver in drivers))
        for driver in drivers:
            missing = set(range(1, made.published[driver.device.id] + 1)) - made.arrived(driver)
            assert not missing, f"{driver.name}: {sorted(missing)[:5]}"
            assert driver.device.backlog == 0
            assert driver.device.attempts <= MOST_ATTEMPTS
    assert [t.get_name() for t in asyncio.all_tasks() if t.get_name().startswith("device-")] == []


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def refused(it: Field) -> None:
    await it.proxy.become(Fault.REFUSED)
    await it.all_cut_off()
    await asyncio.sleep(LASTS_S)
    assert min(it.attempts()) > 2
    await it.proxy.become(Fault.NONE)


async def reset(it: Field) -> None:
    await it.proxy.become(Fault.RESET)
    await it.all_cut_off()
    await asyncio.sleep(LASTS_S)
    assert min(it.attempts()) > 2
    await it.proxy.become(Fault.NONE)


async def black_hole(it: Field) -> None:
    await it.proxy.become(Fault.BLACK_HOLE)
    await it.all_cut_off()
    await until(lambda: min(it.attempts()) > 2)  # the first of them has given up waiting
    await it.proxy.become(Fault.NONE)


async def half_open(it: Field) -> None:
    it.proxy.stall()
    for driver in it.drivers:  # only the keep-alive tells
        await until(lambda d=driver.device: d.attempts > 1 and d.last_error, BACK_S)


async def slow(it: Field) -> None:
    await it.proxy.become(Fault.SLOW)
    await asyncio.sleep(LASTS_S)
    assert it.attempts() == [1, 1]
    await it.proxy.become(Fault.NONE)


async def flapping(it: Field) -> None:
    for _ in range(3):
        await asyncio.sleep(1.0)
        it.proxy.cut()
    assert max(it.attempts()) < 20


async def server_restart(it: Field) -> None:
    await it.brokers[0].broker.stop()
    await it.all_cut_off()
    again = await it.stack.enter_async_context(running_broker(it.pki))
    again.registry.devices = it.brokers[0].registry.devices
    it.brokers.append(again)
    it.proxy.target = again.port


async def clock_wrong(it: Field) -> None:
    """For a device whose clock is a day behind, the broker's certificate begins tomorrow."""
    await elsewhere(it, DAY, 2 * DAY, "not yet valid")


async def broker_expired(it: Field) -> None:
    await elsewhere(it, -2 * DAY, -DAY, "expired")


async def elsewhere(it: Field, starts: timedelta, ends: timedelta, word: str) -> None:
    """The broker shows another certificate for a while."""
    home = it.proxy.target
    async with running_broker(it.pki, context=it.pki.untimely_server(starts, ends)) as other:
        it.proxy.target = other.port
        it.proxy.cut()
        for driver in it.drivers:
            await until(lambda d=driver.device: word in d.last_error and d.attempts > 2 and d.backlog)
        it.proxy.target = home


async def device_expired(it: Field) -> None:
    """Renewed on the disk, the certificate is used without a restart."""
    for driver in it.drivers:
        it.pki.issue(driver.device.id, days=-1)
    it.proxy.cut()
    for driver in it.drivers:
        await until(lambda d=driver.device: not d.connected and d.attempts > 3 and d.backlog)
    for driver in it.drivers:
        it.pki.issue(driver.device.id)


FAULTS = [refused, reset, black_hole, half_open, slow, flapping, server_restart, clock_wrong, broker_expired, device_expired]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
async def test_nothing_is_lost_or_left_and_the_state_is_told(fault: Any, pki: Pki) -> None:
    async with AsyncExitStack() as stack, in_the_field(pki, stack) as it:
        await fault(it)
