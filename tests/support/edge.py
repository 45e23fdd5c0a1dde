"""An `edge` in this process, on real PostgreSQL and Valkey, with ports of its own."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg

from certs.issue import Issued, ensure_server
from launcher.edge import EdgeOptions, run_edge
from tests.support.mqtt_raw import RawClient
from tests.support.pki import Pki
from tests.support.registry_rows import add_device

READY_SECONDS = 20.0


@dataclass
class RunningEdge:
    """Where it listens, and how to make a device that may connect."""

    pki: Pki
    dsn: str
    mqtt_port: int
    wss_port: int
    http_port: int

    async def device(self, id: str, *, organization: str = "default", kind: str = "device", **details: str) -> Issued:
        """Register a device: certificate on disk, rows in PostgreSQL."""
        issued = self.pki.issue(id, organization, kind)
        await register(self.dsn, id, issued, organization=organization, kind=kind, **details)
        return issued

    async def session(self, id: str, **options: Any) -> RawClient:
        """A raw MQTT session of the device."""
        return await RawClient.session(self.mqtt_port, self.pki.client(id), id, **options)

    async def get(self, path: str) -> tuple[int, str]:
        """Status and body of a GET on the health port."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.http_port)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        writer.close()
        return int(head.split()[1]), body.decode()


async def register(dsn: str, id: str, issued: Issued, **details: str) -> None:
    """Rows of a device and its certificate."""
    connection = await asyncpg.connect(dsn)
    try:
        await add_device(connection, id, certificate=issued, **details)
    finally:
        await connection.close()


def edge_options(pki: Pki, dsn: str, valkey_url: str, data: Path, **changes: Any) -> EdgeOptions:
    """Options with free ports and the authority's own server certificate."""
    certificate, key = ensure_server(pki.authority, ["localhost", "127.0.0.1"])
    return EdgeOptions(
        dsn=dsn, redis_url=valkey_url, certificate=certificate, key=key, ca=pki.authority.ca_file, data=data,
        **{"mqtt_port": 0, "wss_port": 0, **changes},
    )  # fmt: skip


@asynccontextmanager
async def running_edge(pki: Pki, dsn: str, valkey_url: str, **changes: Any) -> AsyncIterator[RunningEdge]:
    """An edge from ready to cleanly stopped; ``changes`` are fields of EdgeOptions."""
    stop, ready = asyncio.Event(), asyncio.get_running_loop().create_future()
    options = edge_options(pki, dsn, valkey_url, pki.directory, on_ready=lambda *ports: ready.set_result(ports), **changes)
    task = asyncio.create_task(run_edge(options, stop), name="edge")
    try:
        await asyncio.wait({task, ready}, timeout=READY_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            await task
        yield RunningEdge(pki, dsn, *await asyncio.wait_for(ready, 0))
    finally:
        stop.set()
        await task
