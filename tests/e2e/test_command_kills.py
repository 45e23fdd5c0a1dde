"""`edge` is killed with a command in every state; each goes on to its honest end afterwards."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from commands.service import CommandService
from commands.view import CommandView
from iotsphere import topics
from iotsphere.bus import MemoryBus
from iotsphere.devices import device_types
from iotsphere.infra.postgres import make_pool
from iotsphere.infra.valkey_signals import ValkeySignals
from tests.support.edge import register
from tests.support.killable_edge import KillableEdge
from tests.support.mqtt_raw import Message, RawClient
from tests.support.pki import Pki
from tests.support.waiting import until

pytestmark = pytest.mark.e2e
PUBACK = 0x40
LONG_S = 120.0


class World:
    """Devices and what `cloud` has of commands, around an edge that comes and goes."""

    def __init__(self, pki: Pki, dsn: str, edge: KillableEdge, service: CommandService) -> None:
        self.pki, self.dsn, self.edge, self.service = pki, dsn, edge, service
        self.clients: list[RawClient] = []

    async def given(self, device: str, timeout_s: float = LONG_S) -> CommandView:
        """A command to a new device."""
        await register(self.dsn, device, self.pki.issue(device))
        return await self.service.create(device, "water_heater", "default", "run_self_test", {}, actor="ann", timeout_s=timeout_s)

    async def listening(self, device: str) -> RawClient:
        """A session of the device in which it listens to its commands."""
        client = await RawClient.session(self.edge.mqtt_port, self.pki.client(device), device)
        self.clients.append(client)
        await client.subscribed(topics.command_request_filter(device))
        return client

    async def received(self, command: CommandView) -> tuple[RawClient, Message]:
        """The request, in a new session of its device, not acknowledged."""
        client = await self.listening(command.device)
        message = await client.message(30.0)
        assert json.loads(message.payload)["id"] == command.id
        return client, message

    async def answered(self, command: CommandView, client: RawClient, status: str) -> None:
        """With the PUBACK for the answer."""
        reason = {"reason": {"code": "NO", "text": "no"}} if status in ("failed", "rejected") else {}
        await client.published(
            topics.command_response(command.device, command.id), json.dumps({"status": status} | reason).encode()
        )

    async def becomes(self, command: CommandView, status: str) -> CommandView:
        """The command once it is in this state."""

        async def is_so() -> bool:
            return (await self.now(command)).status == status

        await until(is_so, 30.0)
        return await self.now(command)

    async def now(self, command: CommandView) -> CommandView:
        view = await self.service.get(command.id)
        assert view is not None
        return view


@pytest.fixture
async def world(pki: Pki, migrated_dsn: str, valkey_url: str) -> AsyncIterator[World]:
    edge, signals = KillableEdge(pki, migrated_dsn, valkey_url), ValkeySignals(valkey_url)
    pool = await make_pool(migrated_dsn, name="test cloud")
    service = CommandService(pool, signals, MemoryBus(), device_types())
    await signals.start()
    world = World(pki, migrated_dsn, edge, service)
    try:
        yield world
    finally:
        await edge.kill()
        for client in world.clients:
            await client.close()
        await signals.stop()
        await pool.close()


async def test_a_command_in_every_state_survives_the_kill_of_edge(world: World) -> None:
    queued = await world.given("queued")
    expiring = await world.given("expiring", 0.5)
    sent, delivered, working = [await world.given(name) for name in ("sent", "delivered", "working")]
    cancelled = await world.given("cancelled")
    await world.edge.start()
    running_out = await world.given("running-out", 5.0)
    for command in (sent, cancelled, running_out):
        await world.received(command)
        await world.becomes(command, "sent")
    client, message = await world.received(delivered)
    client.write(bytes((PUBACK, 2)) + message.packet_id.to_bytes(2, "big"))
    await world.becomes(delivered, "delivered")
    client, _ = await world.received(working)
    await world.answered(working, client, "in_progress")

    await world.edge.kill()
    await world.service.cancel(cancelled.id, "bob")
    states = {command.device: (await world.now(command)).status for command in (queued, sent, delivered, working, cancelled)}
    assert states == {
        "queued": "queued", "sent": "sent", "delivered": "delivered", "working": "in_progress", "cancelled": "cancelled",
    }  # fmt: skip
    await asyncio.sleep(max(0.0, running_out.expires_at.timestamp() - world.service._clock()))

    await world.edge.start()
    for command, end in ((queued, "succeeded"), (sent, "succeeded"), (delivered, "failed"), (working, "rejected")):
        client, message = await world.received(command)
        client.write(bytes((PUBACK, 2)) + message.packet_id.to_bytes(2, "big"))
        await world.answered(command, client, end)
        view = await world.now(command)
        assert (view.status, view.attempts, view.late) == (end, 1 if command is queued else 2, False)
    assert (await world.becomes(expiring, "expired")).attempts == 0
    await world.becomes(running_out, "timed_out")
    client = await world.listening("running-out")
    await world.answered(running_out, client, "succeeded")
    late = await world.now(running_out)
    assert (late.status, late.late) == ("succeeded", True)
    await (await world.listening("cancelled")).nothing()
    assert (await world.now(cancelled)).status == "cancelled"
