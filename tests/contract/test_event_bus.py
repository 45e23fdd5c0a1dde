"""What every event bus does, over each implementation."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from iotsphere.bus import EventBus, MemoryBus
from iotsphere.events import DEVICE_STATUS, DEVICE_UPDATE, DeviceStatus, Event, MessageRefused, TelemetryEnvelope
from iotsphere.infra.valkey_bus import ValkeyBus
from tests.support.waiting import until

MakeBus = Callable[[], EventBus]


def status(number: int) -> DeviceStatus:
    return DeviceStatus(
        device=f"d{number}", organization="default", device_type="t", simulated=False, connected=True,
        session=number, reason="connected", at=number,
    )  # fmt: skip


@pytest.fixture(params=["memory", pytest.param("valkey", marks=pytest.mark.integration)])
async def make_bus(request: pytest.FixtureRequest) -> AsyncIterator[MakeBus]:
    """Makes a bus; stops all that were made."""
    made: list[EventBus] = []

    def make() -> EventBus:
        bus = MemoryBus() if request.param == "memory" else ValkeyBus(request.getfixturevalue("valkey_url"), name="test")
        made.append(bus)
        return bus

    if request.param == "valkey":
        request.getfixturevalue("valkey_url")
    yield make
    for bus in made:
        await bus.stop()


async def test_each_subscriber_of_the_topic_gets_each_event_in_order(make_bus: MakeBus) -> None:
    bus, first, second = make_bus(), Recorder(), Recorder()
    bus.subscribe(DEVICE_STATUS, first)
    bus.subscribe(DEVICE_STATUS, second)
    await bus.start()
    for number in range(300):
        await bus.publish(status(number))
    await until(lambda: len(second.events) == 300)
    assert first.events == second.events == [status(n) for n in range(300)]


async def test_a_subscriber_gets_only_its_topic(make_bus: MakeBus) -> None:
    bus, updates = make_bus(), Recorder()
    bus.subscribe(DEVICE_UPDATE, updates)
    await bus.start()
    refused = MessageRefused(device="d", category="acl", reason="no", at=1)
    await bus.publish(status(1))
    await bus.publish(refused)
    await until(lambda: updates.events)
    assert updates.events == [refused]


async def test_a_telemetry_envelope_arrives_as_it_was(make_bus: MakeBus) -> None:
    bus, heard = make_bus(), Recorder()
    bus.subscribe("device.telemetry", heard)
    await bus.start()
    envelope = TelemetryEnvelope(sent_at=5, points=[("d", 1.5, "temperature", 0.1 + 0.2, True)] * 500)
    await bus.publish(envelope)
    await until(lambda: heard.events)
    assert heard.events == [envelope]


async def test_handlers_of_a_topic_are_called_one_event_at_a_time(make_bus: MakeBus) -> None:
    bus, order = make_bus(), []

    async def slow(event: Event) -> None:
        assert isinstance(event, DeviceStatus)
        order.append(("begin", event.session))
        await asyncio.sleep(0.01)
        order.append(("end", event.session))

    bus.subscribe(DEVICE_STATUS, slow)
    await bus.start()
    for number in range(3):
        await bus.publish(status(number))
    await until(lambda: len(order) == 6)
    assert order == [(step, n) for n in range(3) for step in ("begin", "end")]


async def test_publishing_to_nobody_is_no_error_and_a_running_bus_is_healthy(make_bus: MakeBus) -> None:
    bus = make_bus()
    await bus.start()
    await bus.publish(status(1))
    assert bus.healthy()


class Recorder:
    """A handler that remembers."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    async def __call__(self, event: Event) -> None:
        self.events.append(event)
