"""One simulated device on the network: the SDK's client around a behaviour."""

import asyncio
from functools import partial
from typing import Any

from device_sdk import IN_MEMORY, AioDevice, CommandFailed, CommandRejected, Credentials
from iotsphere.devices._spec import DeviceType
from iotsphere.errors import Misconfigured, Refused
from simulator.behaviour import Behaviour
from simulator.clock import Clock
from simulator.report import Tally
from simulator.schedule import Schedule


class SimulatedDevice:
    """Connects, publishes by its schedule, obeys what is desired at once and answers commands."""

    def __init__(
        self, credentials: Credentials, device_type: DeviceType, seed: int, schedule: Schedule, clock: Clock, tally: Tally
    ) -> None:
        self._schedule = schedule
        self._clock = clock
        self._tally = tally
        self._behaviour = Behaviour(device_type, seed, credentials.id, clock())
        self._device = AioDevice(
            credentials.id,
            credentials.host,
            credentials.port,
            ca=credentials.ca,
            certificate=credentials.certificate,
            key=credentials.key,
            outbox=IN_MEMORY,  # a fleet of thousands leaves nothing behind
        )
        self._device.on_desired(self._obey)
        for command in device_type.commands:
            self._device.on_command(command.name)(partial(self._execute, command.name))

    @property
    def connected(self) -> bool:
        """Whether it has a session now."""
        return self._device.connected

    @property
    def backlog(self) -> int:
        """Messages without PUBACK."""
        return self._device.backlog

    async def run(self, delay_s: float, phase: float) -> None:
        """Live until cancelled.

        Args:
            delay_s: before the first connect.
            phase: where between two of the fleet's ticks this device has its own, 0 to 1.
        """
        await asyncio.sleep(delay_s)
        try:
            await self._device.connect()
        except (Refused, Misconfigured) as error:
            self._tally.last_error = f"{self._device.id}: {error}"
            return
        await self._publish(phase)

    async def close(self, timeout: float) -> None:
        """Wait at most ``timeout`` seconds for the backlog and disconnect."""
        await self._device.close(timeout)

    async def _publish(self, phase: float) -> None:
        # Once on arrival, so that nobody waits for a first value; then at a moment of its own in every interval.
        loop, tick = asyncio.get_running_loop(), 0
        due = loop.time() + phase * self._schedule.interval_s
        while True:
            await self._say(tick)
            await asyncio.sleep(due - loop.time())
            tick, due = tick + 1, due + self._schedule.interval_s
            if self._device.last_error and not self._device.connected:
                self._tally.last_error = f"{self._device.id}: {self._device.last_error}"

    async def _say(self, tick: int) -> None:
        self._behaviour.wish(self._device.desired, self._device.desired_version)
        result = self._behaviour.advance(self._clock())
        if chosen := self._schedule.due(tick, result.readings):
            (await self._device.publish(chosen)).then(self._tally.sent())
        self._device.report(result.reported)
        for name, severity, data in result.events:
            await self._device.event(name, severity, data)  # type: ignore[arg-type]  # a type's severities are checked by its contract test

    def _obey(self, delta: dict[str, Any]) -> dict[str, Any]:
        self._tally.desired += 1
        self._behaviour.wish(self._device.desired, self._device.desired_version)
        return dict(self._behaviour.advance(self._clock()).reported)

    def _execute(self, name: str, params: dict[str, Any]) -> dict[str, Any]:
        outcome = self._behaviour.execute(name, params)
        self._tally.commands += 1
        self._device.report(self._behaviour.advance(self._clock()).reported)
        if outcome.status == "rejected":
            raise CommandRejected(outcome.code, outcome.text)
        if outcome.status == "failed":
            raise CommandFailed(outcome.code, outcome.text)
        return dict(outcome.result)
