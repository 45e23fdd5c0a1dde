"""What the supervisor sees at real doors."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from launcher import probes
from launcher.probes import Health
from tests.support.servers import free_port

pytestmark = pytest.mark.integration


@asynccontextmanager
async def answering(status: str) -> AsyncIterator[str]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/health/ready"


@pytest.mark.parametrize(("status", "health"), [("200 OK", Health.READY), ("503 Service Unavailable", Health.UNREADY)])
async def test_http(status: str, health: Health, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")  # never asked for our own loopback
    async with answering(status) as url:
        assert await probes.http(url)() is health


async def test_nobody_at_the_door() -> None:
    port = free_port()
    assert await probes.http(f"http://127.0.0.1:{port}/")() is Health.SILENT
    assert await probes.postgres(f"postgresql://a:b@127.0.0.1:{port}/c")() is Health.SILENT
    assert await probes.valkey(f"redis://127.0.0.1:{port}/0")() is Health.SILENT


async def test_stores(postgres_admin: str, valkey_url: str) -> None:
    assert await probes.postgres(postgres_admin)() is Health.READY
    assert await probes.postgres(postgres_admin.replace("postgres:", "x:", 1) + "_none")() is Health.UNREADY
    assert await probes.valkey(valkey_url)() is Health.READY
