"""The other processes of the bench: each gets a job on stdin and tells by JSON lines how far it is; stdin's end is its end."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from launcher import spawn

ENDS_S = 20.0
LINE_BYTES = 1 << 24  # a result may carry a figure of each of ten thousand devices


class ChildFailed(Exception):
    """The process ended before its time; what it said is on stderr."""


class Child:
    """A running one."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @property
    def pid(self) -> int:
        """For its CPU."""
        return self._process.pid

    async def at(self, point: str) -> Any:
        """Wait until it says that it is there; returns what it hands over.

        Raises:
            ChildFailed: it ended before, or said something else.
        """
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        if not line:
            raise ChildFailed(f"ended with {await self._process.wait()} before {point!r}")
        told = msgspec.json.decode(line)
        if told["at"] != point:
            raise ChildFailed(f"said {told['at']!r} where {point!r} was expected")
        return told["result"]

    async def say(self, word: str) -> None:
        """Tell it what to do next."""
        assert self._process.stdin is not None
        self._process.stdin.write(word.encode() + b"\n")
        await self._process.stdin.drain()

    def end(self) -> None:
        """Tell it to end."""
        assert self._process.stdin is not None
        self._process.stdin.close()

    async def finish(self) -> Any:
        """Tell it to end; returns its result."""
        self.end()
        return await self.at("done")


@asynccontextmanager
async def child(module: str, job: object) -> AsyncIterator[Child]:
    """`python -m module`, which dies with us."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-IS", spawn.__file__, "--parent", str(os.getpid()), "--death", "SIGKILL", "--",
        sys.executable, "-m", module,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, cwd=Path(__file__).parents[2],
        limit=LINE_BYTES,
    )  # fmt: skip
    try:
        assert process.stdin is not None
        process.stdin.write(msgspec.json.encode(job) + b"\n")
        await process.stdin.drain()
        yield Child(process)
        await asyncio.wait_for(process.wait(), ENDS_S)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def read_job(kind: type[msgspec.Struct]) -> Any:
    """The job, in the child."""
    return msgspec.json.decode(sys.stdin.buffer.readline(), type=kind)


def tell(at: str, result: object = None) -> None:
    """One line for the parent, from the child."""
    sys.stdout.buffer.write(msgspec.json.encode({"at": at, "result": result}) + b"\n")
    sys.stdout.buffer.flush()


async def told() -> AsyncIterator[str]:
    """What the parent says, word by word, in the child, until it closes stdin or is gone."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        yield line.decode().strip()


async def told_to_end() -> None:
    """Wait, in the child, until the parent closes stdin or is gone."""
    async for _ in told():
        continue
