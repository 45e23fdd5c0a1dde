"""CommandService and CommandDelivery, joined by signals in memory; devices are what a test says."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from commands.delivery import CommandDelivery
from commands.service import CommandService
from commands.view import CommandView
from iotsphere import topics
from iotsphere.bus import MemoryBus
from iotsphere.devices._spec import Command, CommandOutcome, DeviceType, Property, SimulationState, StepResult
from iotsphere.events import DEVICE_COMMAND, CommandChanged
from iotsphere.signals import EDGE_COMMAND, MemorySignals
from tests.support.deliveries import delivery, record
from tests.support.recording_sender import Message, RecordingSender

KILN = DeviceType(
    key="kiln", collection="kilns", title="Kiln", manufacturer="m", model="m", measurements=(), properties=(),
    commands=(
        Command("fire", "Fire", (Property("to", "To", "number", high=1300), Property("slow", "Slow", "boolean", default=False))),
        Command("stop", "Stop", timeout_s=0.2),
        Command("blink", "Blink", lane="parallel", timeout_s=60),
    ),
    initial=lambda rng: SimulationState({}), step=lambda s, dt, rng: StepResult({}, {}),
    execute=lambda s, name, params: CommandOutcome("succeeded"),
)  # fmt: skip


@dataclass
class Parts:
    service: CommandService
    delivery: CommandDelivery
    sender: RecordingSender
    signals: MemorySignals
    events: list[CommandChanged] = field(default_factory=list)
    refused: list[tuple[str, str, str, str]] = field(default_factory=list)

    def connect(self, device: str = "d1", session: int = 1) -> None:
        self.sender.connect(device, session)
        self.delivery.on_subscribed(record(device), session, topics.command_request_filter(device))

    async def fire(self, device: str = "d1", **options: Any) -> CommandView:
        return await self.service.create(device, "kiln", "default", "fire", {"to": 900}, actor="ann", **options)

    async def give(self, name: str, device: str = "d1", **options: Any) -> CommandView:
        return await self.service.create(device, "kiln", "default", name, {}, actor="ann", **options)

    async def seen(self, command_id: str) -> CommandView:
        view = await self.service.get(command_id)
        assert view is not None
        return view

    async def requests(self, count: int = 1) -> list[Message]:
        return await self.sender.wait_for("/request", count)

    async def answer(self, command_id: str, status: str = "succeeded", device: str = "d1", **more: Any) -> None:
        await self.delivery.commit([delivery(topics.command_response(device, command_id), {"status": status, **more})])

    def puback(self, message: Message, session: int = 1) -> None:
        self.delivery.on_delivered(message.device, session, message.message)

    async def life(self, command_id: str) -> list[str]:
        view = await self.service.get(command_id)
        assert view is not None
        assert view.transitions[-1].status == view.status
        return [transition.status for transition in view.transitions]


@asynccontextmanager
async def make_parts(pool: Any) -> AsyncIterator[Parts]:
    sender, bus, signals = RecordingSender(), MemoryBus(), MemorySignals()
    refused: list[tuple[str, str, str, str]] = []
    events: list[Any] = []

    async def keep(event: Any) -> None:
        events.append(event)

    bus.subscribe(DEVICE_COMMAND, keep)
    service = CommandService(pool, signals, bus, {"kiln": KILN})
    delivery = CommandDelivery(pool, sender, signals, bus, lambda *refusal: refused.append(refusal))
    signals.on(EDGE_COMMAND, delivery.wake)
    delivery.start()
    yield Parts(service, delivery, sender, signals, events, refused)
    await delivery.stop()
