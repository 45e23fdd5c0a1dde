"""The head of a request is bounded in bytes and time; what keeps to the bounds is served as before."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from iotsphere.infra.http import serve
from iotsphere.infra.http_protocol import BoundedHttp

pytestmark = pytest.mark.integration
GET = b"GET / HTTP/1.1\r\nHost: a\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
HANDSHAKE = b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
UPGRADE = HANDSHAKE + b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
Connect = Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answers with the number of bytes of the body and says over a WebSocket what it is told."""
    if scope["type"] == "lifespan":
        for _ in range(2):
            await send({"type": f"{(await receive())['type']}.complete"})
    elif scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": message["text"]})
    else:
        size, more = 0, True
        while more and (message := await receive())["type"] == "http.request":
            size, more = size + len(message["body"]), message["more_body"]
        await asyncio.sleep(0.8 if scope["path"] == "/slow" else 0)
        text = str(size).encode()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", str(len(text)).encode())]})
        await send({"type": "http.response.body", "body": text})


@asynccontextmanager
async def serving() -> AsyncIterator[Connect]:
    stop, port = asyncio.Event(), asyncio.get_running_loop().create_future()
    task = asyncio.create_task(serve(app, "127.0.0.1", 0, stop, port.set_result))
    number = await port
    writers = []

    async def connect() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", number)
        writers.append(writer)
        return reader, writer

    yield connect
    for writer in writers:
        writer.close()
    stop.set()
    await task


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    async with serving() as connected:
        yield connected


async def status(reader: asyncio.StreamReader) -> int:
    """Of the next answer, which is read whole."""
    async with asyncio.timeout(5):
        head = await reader.readuntil(b"\r\n\r\n")
        size = next((line.partition(b":")[2] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")), b"0")
        await reader.readexactly(int(size))
    return int(head.split()[1])


async def rest(reader: asyncio.StreamReader) -> bytes:
    """Up to the end, which is a reset where an answer was under way."""
    with suppress(ConnectionResetError):
        async with asyncio.timeout(5):
            return await reader.read()
    return b""


@pytest.mark.parametrize(
    "head",
    [
        b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
        GET + b"X: " + b"a" * 70_000 + b"\r\n\r\n",
        GET + b"".join(b"X-%d: %s\r\n" % (n, b"a" * 1000) for n in range(70)) + b"\r\n",
        GET + b"X: " + b"a" * 1_000_000,  # without an end
        CHUNKED + b"1;" + b"a" * 1_000_000,
        b"\r\n" * 200_000,
    ],
    ids=["url", "one header", "many headers", "endless header", "endless extension of a chunk", "empty lines"],
)
async def test_a_head_that_is_too_large_is_refused(connect: Connect, head: bytes) -> None:
    reader, writer = await connect()
    writer.write(head)
    if not head.startswith(b"POST"):
        assert await status(reader) == 431
    assert await rest(reader) == b""


@pytest.mark.parametrize("trailers", [b"X: " + b"a" * 1_000_000, b"".join(b"X-%d: %s\r\n" % (n, b"a" * 1000) for n in range(70))])
async def test_trailers_count_as_well(connect: Connect, trailers: bytes) -> None:
    reader, writer = await connect()
    writer.write(CHUNKED + b"1\r\na\r\n0\r\n" + trailers)
    assert await rest(reader) == b""


async def test_what_keeps_to_the_bound_is_served_and_each_request_has_its_own(connect: Connect) -> None:
    reader, writer = await connect()
    for _ in range(3):
        writer.write(GET + b"X: " + b"a" * 60_000 + b"\r\n\r\n")
        assert await status(reader) == 200
    writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 900000\r\n\r\n" + b"a" * 900_000 + GET + b"\r\n")
    assert [await status(reader), await status(reader)] == [200, 200]
    writer.write(CHUNKED + b"".join(b"1\r\na\r\n" for _ in range(50_000)) + b"0\r\nX: y\r\n\r\n")
    assert await status(reader) == 200


async def test_what_is_no_http_is_told_so(connect: Connect) -> None:
    reader, writer = await connect()
    writer.write(b"\x16\x03\x01 HELLO\r\n\r\n")
    assert await status(reader) == 400
    assert await rest(reader) == b""


async def test_a_head_must_come_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BoundedHttp, "head_seconds", 0.4)
    async with serving() as connect:
        silent, _ = await connect()
        assert await rest(silent) == b""
        reader, writer = await connect()
        writer.write(GET)
        assert await status(reader) == 408
        assert await rest(reader) == b""
        reader, writer = await connect()
        writer.write(GET + b"\r\n")
        assert await status(reader) == 200
        writer.write(b"\r\n")  # ends uvicorn's wait for the next request
        assert await rest(reader) == b""


async def test_an_answer_that_takes_longer_is_not_cut_off_by_the_next_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BoundedHttp, "head_seconds", 0.2)
    async with serving() as connect:
        reader, writer = await connect()
        writer.write(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n" + GET)
        assert await status(reader) == 200
        assert await status(reader) == 408


async def test_a_websocket_lives_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BoundedHttp, "head_seconds", 0.3)
    async with serving() as connect:
        reader, writer = await connect()
        writer.write(GET + b"\r\n")
        assert await status(reader) == 200
        writer.write(GET + UPGRADE)
        assert await status(reader) == 101
        await asyncio.sleep(0.6)
        writer.write(b"\x81\x82\0\0\0\0hi")
        assert await reader.readexactly(4) == b"\x81\x02hi"


async def test_a_websocket_has_the_same_bound(connect: Connect) -> None:
    reader, writer = await connect()
    writer.write(GET + b"X: " + b"a" * 70_000 + b"\r\n" + UPGRADE)
    assert await status(reader) == 431
