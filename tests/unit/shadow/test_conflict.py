"""Writers of one document in one process take turns."""

import asyncio
import gc

from shadow.conflict import Turns


async def test_writers_of_one_document_go_one_after_the_other_and_others_do_not_wait() -> None:
    turns, order = Turns(), []

    async def write(key: tuple[str, str], number: int) -> None:
        async with turns.of(key):
            order.append(number)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            order.append(number)

    await asyncio.gather(*(write(("d", ""), number) for number in range(5)))
    assert order == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    async with turns.of(("d", "")):
        await asyncio.wait_for(write(("d", "other"), 5), 5)


async def test_nothing_is_kept_of_a_document_that_nobody_writes() -> None:
    turns = Turns()
    async with turns.of(("d", "")):
        assert len(turns._locks) == 1
    gc.collect()
    assert len(turns._locks) == 0
