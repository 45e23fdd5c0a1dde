"""Ten browsers' worth of Socket.IO clients, a process of its own (see child.py): ``joined``, then ``done`` with what they got."""

import asyncio
import time
from typing import Any

import msgspec
import socketio
import uvloop

from tests.bench.child import read_job, tell, told_to_end


class Job(msgspec.Struct):
    """One client for each room."""

    url: str
    token: str
    rooms: list[str]


class Seen(msgspec.Struct):
    """What all clients together got.

    Attributes:
        silent: rooms in which nothing came.
    """

    messages: int = 0
    points: int = 0
    cpu_s: float = 0.0
    silent: list[str] = []


class Viewer:
    """One client in one room."""

    def __init__(self, room: str) -> None:
        self.room = room
        self.messages = self.points = 0
        self._client = socketio.AsyncClient(reconnection=False)
        self._client.on("telemetry", self._on_telemetry)

    async def _on_telemetry(self, message: dict[str, Any]) -> None:
        self.messages += 1
        self.points += len(message["points"])

    async def join(self, job: Job) -> None:
        """Connect and join.

        Raises:
            RuntimeError: the room is not open to us.
        """
        await self._client.connect(job.url, auth={"token": job.token}, transports=["websocket"])
        answer = await self._client.call("join", {"room": self.room})
        if not answer["ok"]:
            raise RuntimeError(f"{self.room}: {answer}")

    async def leave(self) -> None:
        """Disconnect."""
        await self._client.disconnect()


async def watch(job: Job) -> Seen:
    """Join, look until told to end."""
    clients = [Viewer(room) for room in job.rooms]
    for client in clients:
        await client.join(job)
    tell("joined")
    began = time.process_time()
    await told_to_end()
    spent = time.process_time() - began
    await asyncio.gather(*(client.leave() for client in clients))
    return Seen(
        sum(client.messages for client in clients),
        sum(client.points for client in clients),
        spent,
        [client.room for client in clients if not client.messages],
    )


if __name__ == "__main__":
    tell("done", uvloop.run(watch(read_job(Job))))
