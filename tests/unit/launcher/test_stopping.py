import asyncio

import pytest

from launcher.stopping import unless_stopped


async def test_work_that_is_finished_first_is_told() -> None:
    assert await unless_stopped(asyncio.Event(), asyncio.sleep(0))


async def test_a_stop_gives_up_the_work() -> None:
    stop, given_up = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            given_up.set()

    asyncio.get_running_loop().call_soon(stop.set)
    assert not await unless_stopped(stop, work())
    assert given_up.is_set()


async def test_what_the_work_died_of_is_raised() -> None:
    async def work() -> None:
        raise OSError("no disk")

    with pytest.raises(OSError, match="no disk"):
        await unless_stopped(asyncio.Event(), work())
