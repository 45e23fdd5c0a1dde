"""Closing the asyncio client in the very turn of the event loop in which something else happens to its connection."""

import asyncio
from collections.abc import Callable
from typing import Any

import aiomqtt
import pytest

from device_sdk import IN_MEMORY, AioDevice
from tests.support.brokers import running_broker
from tests.support.pki import Pki
from tests.support.sdk_drivers import write_connection
from tests.support.waiting import until

pytestmark = pytest.mark.integration
TURNS = range(8)
"""From what happens until every task has heard of it."""


def after(turns: int, call: Callable[[], None]) -> None:
    """Call it that many turns of the loop later."""
    if turns:
        asyncio.get_running_loop().call_soon(after, turns - 1, call)
    else:
        call()


@pytest.mark.parametrize("moment", ["_on_subscribe", "_on_disconnect"])
@pytest.mark.parametrize("turns", TURNS)
async def test_it_ends_whatever_happens_in_that_turn(pki: Pki, monkeypatch: pytest.MonkeyPatch, moment: str, turns: int) -> None:
    happens: Callable[..., None] = getattr(aiomqtt.Client, moment)
    closings: list[asyncio.Task[None]] = []

    def and_it_closes(client: aiomqtt.Client, *arguments: Any) -> None:
        happens(client, *arguments)
        if not closings:
            after(turns, lambda: closings.append(asyncio.create_task(device.close(0.0))))

    monkeypatch.setattr(aiomqtt.Client, moment, and_it_closes)
    async with running_broker(pki) as it:
        it.device("d")
        write_connection(pki, "d", it.port)
        device = AioDevice.from_directory(pki.directory, "d", outbox=IN_MEMORY)
        await device.connect(1.0 if moment == "_on_disconnect" else 0.0)
        await it.broker.kick("d", "kicked")
        await until(lambda: closings)
        await asyncio.wait_for(closings[0], 5)
        await until(lambda: it.broker.connected() == {})
