"""From the bus into the rooms: telemetry gathered per channel, other events at once."""

import asyncio
import time
from collections.abc import Callable

import msgspec

from cloud_api.live_directory import Directory, Entry
from cloud_api.live_manager import FastManager
from cloud_api.live_rooms import (
    EVERYONE,
    Channel,
    EveryPoint,
    LatestValues,
    Point,
    PointRates,
    channel_names,
    event_audience,
    inner,
)
from cloud_api.metrics import LiveMetrics
from iotsphere import events
from iotsphere.bus import EventBus

NAMED = (events.DEVICE_STATUS, events.DEVICE_COMMAND, events.DEVICE_UPDATE, events.ALERT_GENERATED)


class Feed:
    """Subscribes to the bus and broadcasts through the manager. Rooms without members cost nothing but a look-up."""

    def __init__(
        self,
        bus: EventBus,
        manager: FastManager,
        directory: Directory,
        metrics: LiveMetrics,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._manager, self._directory, self._metrics, self._clock = manager, directory, metrics, clock
        self._channels: dict[str, Channel] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._rates = PointRates()
        bus.subscribe(events.DEVICE_TELEMETRY, self._on_telemetry)
        for topic in NAMED:
            bus.subscribe(topic, self._on_event)

    def points_last_minute(self, organization: str) -> int:
        """Readings seen in the last 60 s, of one organization or of EVERYONE."""
        return self._rates.last_minute(organization, self._clock())

    def stop(self) -> None:
        """Send nothing more."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        self._channels.clear()

    def drop_empty_channels(self) -> None:
        """Forget the channels that nobody listens to any more."""
        for key in [k for k, channel in self._channels.items() if not self._heard(channel.audience)]:
            del self._channels[key]
            if timer := self._timers.pop(key, None):
                timer.cancel()

    async def _on_telemetry(self, envelope: events.Event) -> None:
        assert isinstance(envelope, events.TelemetryEnvelope)  # noqa: S101 - the topic carries nothing else
        self._metrics.points.inc(len(envelope.points))
        by_device: dict[str, list[Point]] = {}
        for point in envelope.points:
            by_device.setdefault(point[0], []).append(point)
        entries = await self._directory.find(by_device)
        touched: set[str] = set()
        for device, entry in entries.items():
            self._rates.add(entry.organization, len(by_device[device]), self._clock())
            touched |= self._gather(device, entry, by_device[device])
        for key in touched:
            self._send_or_wait(key)

    def _gather(self, device: str, entry: Entry, points: list[Point]) -> set[str]:
        touched = set()
        for key, room, audience in channel_names(device, entry.device_type, entry.organization):
            if self._heard(audience):
                self._channel(key, room, audience).gathering.add(points)
                touched.add(key)
        return touched

    def _heard(self, audience: tuple[str, ...]) -> bool:
        return any(map(self._manager.occupied, audience))

    def _channel(self, key: str, room: str, audience: tuple[str, ...]) -> Channel:
        channel = self._channels.get(key)
        if channel is None:
            gathering = EveryPoint() if room.startswith("device:") else LatestValues()
            channel = self._channels[key] = Channel(room, audience, gathering)
        return channel

    def _send_or_wait(self, key: str) -> None:
        if key in self._timers:
            return
        loop = asyncio.get_running_loop()
        if wait := self._channels[key].due_in(loop.time()):
            self._timers[key] = loop.call_later(wait, self._tick, key)
        else:
            self._send(key)

    def _tick(self, key: str) -> None:
        self._timers.pop(key, None)
        if key in self._channels:
            self._send(key)

    def _send(self, key: str) -> None:
        channel = self._channels[key]
        message = channel.take(asyncio.get_running_loop().time(), int(self._clock() * 1000))
        self._metrics.overflow.inc(channel.take_overflow())
        self._manager.broadcast("telemetry", message, channel.audience)
        if len(channel.gathering):
            self._send_or_wait(key)

    async def _on_event(self, event: events.Event) -> None:
        data = msgspec.to_builtins(event)
        name, device = data.pop("type"), data["device"]
        entry = (await self._directory.find([device])).get(device)
        if entry is None:  # a peer that is not registered: for those who look after the whole installation
            self._manager.broadcast(name, {**data, "simulated": False}, [inner("org:*", EVERYONE)])
            return
        data.update(simulated=entry.simulated, organization=entry.organization)
        self._manager.broadcast(name, data, event_audience(device, entry.device_type, entry.organization))
