"""The bus on a Valkey that is killed, flushed and slow."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import redis.asyncio
from prometheus_client import CollectorRegistry

from iotsphere.events import DEVICE_STATUS, DEVICE_TELEMETRY, DeviceStatus, Event, TelemetryEnvelope
from iotsphere.infra import valkey_bus
from iotsphere.infra.metrics import SignalMetrics
from iotsphere.infra.valkey_bus import ValkeyBus
from iotsphere.infra.valkey_signals import ValkeySignals
from iotsphere.signals import EDGE_WAKE
from tests.support.servers import ValkeyServer
from tests.support.waiting import until

pytestmark = [pytest.mark.integration, pytest.mark.loops("uvloop")]  # what the platform's processes run on
BACK_WITHIN = 5.0


class Heard:
    """Sessions of the status events that came."""

    def __init__(self) -> None:
        self.sessions: list[int] = []

    async def __call__(self, event: Event) -> None:
        assert isinstance(event, DeviceStatus)
        self.sessions.append(event.session)


def status(number: int) -> DeviceStatus:
    return DeviceStatus(
        device="d", organization="default", device_type="t", simulated=False, connected=True,
        session=number, reason="connected", at=time.time_ns(),
    )  # fmt: skip


@asynccontextmanager
async def running(url: str, registry: CollectorRegistry | None = None) -> AsyncIterator[tuple[ValkeyBus, Heard]]:
    bus, heard = ValkeyBus(url, name="test", registry=registry), Heard()
    bus.subscribe(DEVICE_STATUS, heard)
    await bus.start()
    try:
        yield bus, heard
    finally:
        await bus.stop()


async def flows_again(bus: ValkeyBus, heard: Heard) -> float:
    """Publish until something arrives; returns the seconds it took."""
    began, before = time.monotonic(), len(heard.sessions)
    while len(heard.sessions) == before:
        assert time.monotonic() - began < BACK_WITHIN
        await bus.publish(status(0))
        await asyncio.sleep(0.05)
    return time.monotonic() - began


@pytest.mark.parametrize("away_seconds", [0.0, 3.0])
async def test_events_flow_again_after_the_server_was_killed(own_valkey: ValkeyServer, away_seconds: float) -> None:
    async with running(own_valkey.url) as (bus, heard):
        await bus.publish(status(1))
        await until(lambda: heard.sessions == [1])
        own_valkey.kill()
        await until(lambda: not bus.healthy())
        await asyncio.sleep(away_seconds)
        own_valkey.start()
        await flows_again(bus, heard)
        await until(bus.healthy)


async def test_events_flow_again_after_the_streams_were_deleted(valkey_url: str) -> None:
    async with running(valkey_url) as (bus, heard), redis.asyncio.Redis.from_url(valkey_url) as client:
        await bus.publish(status(1))
        await until(lambda: heard.sessions == [1])
        await client.flushall()
        await flows_again(bus, heard)


async def test_a_reader_whose_connection_is_cut_reads_on_without_a_gap(valkey_url: str) -> None:
    async with running(valkey_url) as (bus, heard), redis.asyncio.Redis.from_url(valkey_url) as client:
        for number in range(60):
            await bus.publish(status(number))
            if number == 30:
                await until(lambda: 30 in heard.sessions)
                await client.client_kill_filter(_type="normal", skipme=True)
            await asyncio.sleep(0.01)
        await until(lambda: heard.sessions and heard.sessions[-1] == 59)
        # What was on its way when the connections were cut may be lost and is counted; nothing comes twice or out of order.
        assert heard.sessions == sorted(set(heard.sessions))
        assert len(heard.sessions) >= 55


async def test_a_subscriber_that_has_stopped_makes_the_bus_unhealthy_and_is_started_again(valkey_url: str) -> None:
    registry = CollectorRegistry()
    async with running(valkey_url, registry) as (bus, heard):
        assert bus._broker is not None
        for subscriber in bus._broker.subscribers:
            for task in subscriber.tasks:  # type: ignore[attr-defined]
                task.cancel()
        await until(lambda: registry.get_sample_value("iotsphere_bus_restarts_total") == 1)
        await until(bus.healthy)
        await flows_again(bus, heard)


async def test_publishing_without_a_server_is_quick_bounded_and_counted(
    own_valkey: ValkeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(valkey_bus, "OUTBOX_BYTES", 1 << 20)
    registry = CollectorRegistry()
    envelope = TelemetryEnvelope(sent_at=1, points=[("device", 1.0, "temperature", 1.0, False)] * 500)
    async with running(own_valkey.url, registry) as (bus, _):
        own_valkey.kill()
        longest = 0.0
        for _ in range(500):
            began = time.monotonic()
            await bus.publish(envelope)
            longest = max(longest, time.monotonic() - began)
            await asyncio.sleep(0.001)
        assert longest < 0.1
        assert bus._outbox.held <= 1 << 20
        lost = registry.get_sample_value("iotsphere_bus_lost_total", {"topic": DEVICE_TELEMETRY})
        assert lost is not None
        assert lost + len(bus._outbox) + 100 >= 500
        assert not bus.healthy()
        own_valkey.start()
        await until(bus.healthy)


async def test_a_bus_that_starts_before_its_server_connects_later(
    own_valkey: ValkeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(valkey_bus, "START_SECONDS", 0.2)
    own_valkey.kill()
    async with running(own_valkey.url) as (bus, heard):
        assert not bus.healthy()
        own_valkey.start()
        await flows_again(bus, heard)


async def test_a_handler_that_fails_and_a_foreign_entry_do_not_stop_the_topic(valkey_url: str) -> None:
    registry = CollectorRegistry()
    bus, heard = ValkeyBus(valkey_url, name="test", registry=registry), Heard()

    async def fail(event: Event) -> None:
        if isinstance(event, DeviceStatus) and event.session == 1:
            raise RuntimeError("on purpose")

    bus.subscribe(DEVICE_STATUS, fail)
    bus.subscribe(DEVICE_STATUS, heard)
    await bus.start()
    async with redis.asyncio.Redis.from_url(valkey_url) as client:
        await client.xadd(DEVICE_STATUS, {"__data__": b"nonsense"})
    await bus.publish(status(1))
    await bus.publish(status(2))
    await until(lambda: heard.sessions == [1, 2])
    assert registry.get_sample_value("iotsphere_bus_handler_errors_total", {"topic": DEVICE_STATUS}) == 2
    assert bus.healthy()
    await bus.stop()


async def test_streams_are_trimmed(valkey_url: str) -> None:
    envelope = TelemetryEnvelope(sent_at=1, points=[("device", float(n), "temperature", 1.0, False) for n in range(500)])
    async with running(valkey_url) as (bus, _), redis.asyncio.Redis.from_url(valkey_url) as client:
        for _ in range(1_300):
            await bus.publish(envelope)
            await asyncio.sleep(0.01 if len(bus._outbox) > 100 else 0)
        await until(lambda: not bus._outbox)
        await asyncio.sleep(0.2)
        assert 900 <= await client.xlen(DEVICE_TELEMETRY) <= 1_100


async def test_a_quiet_bus_delivers_within_milliseconds(valkey_url: str) -> None:
    arrivals: list[float] = []

    async def arrived(event: Event) -> None:
        assert isinstance(event, DeviceStatus)
        arrivals.append((time.time_ns() - event.at) / 1e6)

    bus = ValkeyBus(valkey_url, name="test")
    bus.subscribe(DEVICE_STATUS, arrived)
    await bus.start()
    for number in range(100):
        await bus.publish(status(number))
        await asyncio.sleep(0.01)
    await until(lambda: len(arrivals) == 100)
    await bus.stop()
    arrivals.sort()
    print(f"bus latency p50 {arrivals[50]:.2f} ms, p99 {arrivals[98]:.2f} ms")
    assert arrivals[50] < 20


async def test_signals_are_heard_again_after_the_server_was_killed(own_valkey: ValkeyServer) -> None:
    registry = CollectorRegistry()
    signals, heard = ValkeySignals(own_valkey.url, metrics=SignalMetrics(registry)), []
    signals.on(EDGE_WAKE, heard.append)
    await signals.start()
    assert signals.healthy()
    own_valkey.kill()
    began = time.monotonic()
    await signals.send(EDGE_WAKE, "lost")
    assert time.monotonic() - began < 1
    assert registry.get_sample_value("iotsphere_signals_lost_total") == 1
    await until(lambda: not signals.healthy())
    own_valkey.start()
    await until(signals.healthy)
    await signals.send(EDGE_WAKE, "d")
    await until(lambda: heard == ["d"])
    await signals.stop()
