"""Serving an ASGI application inside somebody else's event loop."""

import asyncio
import re
from typing import Any

import pytest

from iotsphere.infra.http import serve
from tests.support.waiting import until

pytestmark = pytest.mark.integration


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        for _ in range(2):
            await send({"type": f"{(await receive())['type']}.complete"})
        return
    await asyncio.sleep(0.2)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


async def get(port: int) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    answer = await reader.read()
    writer.close()
    return answer


async def test_answers_tells_its_port_and_finishes_what_is_under_way() -> None:
    stop, port = asyncio.Event(), asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(serve(app, "127.0.0.1", 0, stop, port.set_result))
    asked = asyncio.create_task(get(await port))
    await asyncio.sleep(0.1)
    stop.set()
    assert (await asked).endswith(b"\r\n\r\nok")
    await serving


async def test_answers_tell_the_time() -> None:
    stop, port = asyncio.Event(), asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(serve(app, "127.0.0.1", 0, stop, port.set_result))

    async def told() -> bytes:
        return re.findall(rb"date: (.*)\r\n", await get(await port))[0]

    first = await told()

    async def has_gone_on() -> bool:
        return await told() != first

    await until(has_gone_on)
    stop.set()
    await serving


async def test_a_taken_port_is_an_error() -> None:
    stop, port = asyncio.Event(), asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(serve(app, "127.0.0.1", 0, stop, port.set_result))
    with pytest.raises(OSError, match="in use"):
        await serve(app, "127.0.0.1", await port, asyncio.Event())
    stop.set()
    await serving
