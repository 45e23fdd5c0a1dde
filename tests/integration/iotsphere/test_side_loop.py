"""A second loop in a thread of its own."""

import asyncio
import threading
import time

import pytest

from iotsphere.infra.side_loop import SideLoop

pytestmark = pytest.mark.integration


@pytest.fixture
async def side() -> SideLoop:
    made = SideLoop("beside")
    made.start()
    return made


async def where() -> tuple[str, asyncio.AbstractEventLoop]:
    return threading.current_thread().name, asyncio.get_running_loop()


async def test_work_is_done_there_and_waited_for_here(side: SideLoop) -> None:
    name, loop = await side.run(where())
    assert name == "beside"
    assert loop is not asyncio.get_running_loop()

    async def fails() -> None:
        raise LookupError("why")

    with pytest.raises(LookupError, match="why"):
        await side.run(fails())
    await side.stop()


async def test_calls_come_in_their_order(side: SideLoop) -> None:
    heard: list[int] = []
    for number in range(1000):
        side.call(heard.append, number)
    await side.run(asyncio.sleep(0))
    assert heard == list(range(1000))
    await side.stop()


async def test_it_does_not_wait_for_a_busy_loop(side: SideLoop) -> None:
    """What is measured there ends long before this loop has a turn again."""
    ended: list[float] = []

    async def steps() -> None:
        for _ in range(20):
            await asyncio.sleep(0)
        ended.append(time.monotonic())

    side.call(lambda: asyncio.ensure_future(steps()))
    began, spun = time.monotonic(), 0
    while time.monotonic() - began < 1.0:
        spun += 1
    assert len(ended) == 1
    assert ended[0] - began < 0.9
    await side.stop()


async def test_a_cancellation_goes_over(side: SideLoop) -> None:
    begun, cancelled = threading.Event(), threading.Event()

    async def endless() -> None:
        begun.set()
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    waiting = asyncio.create_task(side.run(endless()))
    assert await asyncio.to_thread(begun.wait, 5)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert await asyncio.to_thread(cancelled.wait, 5)
    await side.stop()


async def test_the_end_leaves_no_task_and_no_thread(side: SideLoop) -> None:
    ended = threading.Event()

    async def forever() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            ended.set()

    side.call(lambda: asyncio.ensure_future(forever()))
    await side.run(asyncio.sleep(0))
    await side.stop()
    assert ended.is_set()
    assert "beside" not in {thread.name for thread in threading.enumerate()}
