"""What happens to a client that reads too slowly; the sockets are stood in for, since only their queues matter here."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from socketio import AsyncServer

from cloud_api.live_manager import FastManager


class Ends:
    """A manager with one connected client whose queue nobody empties."""

    def __init__(self, max_backlog: int) -> None:
        self.manager = FastManager(max_backlog)
        self.manager.resync = lambda: (("live", {"state": "interrupted"}), ("live", {"state": "ok"}))
        self.sent = self.dropped = 0
        self.manager.on_sent, self.manager.on_dropped = self._on_sent, self._on_dropped
        self.server = AsyncServer(async_mode="asgi", client_manager=self.manager)
        self.queue: asyncio.Queue[Any] = asyncio.Queue()
        self.server.eio.sockets["e1"] = SimpleNamespace(closed=False, queue=self.queue)

    def _on_sent(self, count: int) -> None:
        self.sent += count

    def _on_dropped(self, count: int) -> None:
        self.dropped += count

    async def connect(self) -> str:
        sid = await self.manager.pre_connect("e1", "/")
        await self.manager.connect(sid, "/")
        await self.manager.enter_room(sid, "/", "room")
        return str(sid)

    def read(self, count: int) -> list[str]:
        return [self.queue.get_nowait().data for _ in range(count)]


@pytest.fixture
async def ends() -> Ends:
    made = Ends(max_backlog=4)
    await made.connect()
    return made


async def test_everybody_in_the_rooms_gets_it_once(ends: Ends) -> None:
    ends.manager.broadcast("telemetry", {"n": 1}, ["room", "room", "nobody's"])
    assert ends.read(1) == ['2["telemetry",{"n":1}]']
    assert ends.queue.empty()
    ends.manager.broadcast("telemetry", {"n": 2}, ["elsewhere"])
    assert ends.queue.empty()


async def test_a_slow_client_gets_no_more_than_its_bound_and_is_then_told(ends: Ends) -> None:
    for number in range(20):
        ends.manager.broadcast("t", number, "room")
    assert (ends.queue.qsize(), ends.sent, ends.dropped) == (4, 4, 16)
    ends.read(1)
    ends.manager.broadcast("t", 20, "room")
    assert ends.queue.qsize() == 3  # still more than half
    ends.read(1)
    ends.manager.broadcast("t", 21, "room")
    waiting = ends.read(5)
    assert waiting[2:] == ['2["live",{"state":"interrupted"}]', '2["live",{"state":"ok"}]', '2["t",21]']


async def test_a_closed_connection_gets_nothing_and_is_forgotten(ends: Ends) -> None:
    for number in range(5):
        ends.manager.broadcast("t", number, "room")
    ends.server.eio.sockets["e1"].closed = True
    ends.manager.broadcast("t", 9, "room")
    assert ends.queue.qsize() == 4
    del ends.server.eio.sockets["e1"]
    ends.manager.forget_gone()
    ends.manager.broadcast("t", 9, "room")
    assert ends.queue.qsize() == 4
