"""Both faces of the device SDK, driven alike from an event loop."""

import asyncio
from collections.abc import Callable
from typing import Any

from device_sdk import AioDevice, Credentials, Device
from tests.support.pki import Pki


def write_connection(pki: Pki, id: str, port: int) -> None:
    """The file ID.json, and a certificate unless there is one."""
    if not (pki.directory / f"{id}.crt").exists():
        pki.issue(id)
    (pki.directory / f"{id}.json").write_bytes(Credentials.of(id, f"mqtts://localhost:{port}").to_json())


class Threads:
    """Drives the client with threads from an event loop."""

    name = "threads"

    def __init__(self, pki: Pki, id: str, **options: Any) -> None:
        self.device = Device.from_directory(pki.directory, id, **options)

    async def connect(self, timeout: float = 10.0) -> None:
        await asyncio.to_thread(self.device.connect, timeout)

    async def close(self, timeout: float = 5.0) -> None:
        await asyncio.to_thread(self.device.close, timeout)

    async def acknowledged(self, ticket: Any) -> bool:
        return await asyncio.to_thread(ticket.wait, 5.0)

    async def publish(self, *arguments: Any, **options: Any) -> Any:
        return await asyncio.to_thread(self.device.publish, *arguments, **options)

    async def publish_all(self, *arguments: Any, **options: Any) -> Any:
        return await asyncio.to_thread(self.device.publish_all, *arguments, **options)

    async def event(self, *arguments: Any) -> Any:
        return await asyncio.to_thread(self.device.event, *arguments)

    async def status(self, text: str) -> Any:
        return await asyncio.to_thread(self.device.status, text)


class Tasks:
    """The asyncio client."""

    name = "tasks"

    def __init__(self, pki: Pki, id: str, **options: Any) -> None:
        self.device = AioDevice.from_directory(pki.directory, id, **options)

    async def connect(self, timeout: float = 10.0) -> None:
        await self.device.connect(timeout)

    async def close(self, timeout: float = 5.0) -> None:
        await self.device.close(timeout)

    async def acknowledged(self, ticket: Any) -> bool:
        async with asyncio.timeout(5.0):
            return bool(await ticket)

    async def publish(self, *arguments: Any, **options: Any) -> Any:
        return await self.device.publish(*arguments, **options)

    async def publish_all(self, *arguments: Any, **options: Any) -> Any:
        return await self.device.publish_all(*arguments, **options)

    async def event(self, *arguments: Any) -> Any:
        return await self.device.event(*arguments)

    async def status(self, text: str) -> Any:
        return await self.device.status(text)


Driver = Threads | Tasks
Make = Callable[..., Driver]
FACES = (Threads, Tasks)
