"""Who waits, and what he hears."""

import asyncio
from dataclasses import replace

from commands.outcome import told
from commands.waiting import Waiters
from tests.unit.commands.test_outcome import END


async def test_all_who_wait_for_it_hear_the_newest() -> None:
    waiters = Waiters()
    later = replace(END, status="succeeded")
    with waiters.wait_for("c1") as one, waiters.wait_for("c1") as two, waiters.wait_for("c2") as other:
        waiters.on_done(told("c1", END))
        waiters.on_done(told("c1", later))
        assert await asyncio.gather(one.news(5), two.news(5), other.news(0.01)) == [later, later, None]
        waiters.on_done("c1")  # it was cancelled, or is too large: look
        assert await one.news(5) is None
    assert waiters._waiting == {}


async def test_what_cannot_be_read_tells_nothing() -> None:
    waiters = Waiters()
    with waiters.wait_for("c1") as one:
        waiters.on_done("c1 {")
        assert await one.news(0.01) is None


async def test_at_the_end_all_are_told_to_look() -> None:
    waiters = Waiters()
    with waiters.wait_for("c1") as one, waiters.wait_for("c2") as two:
        waiters.on_done(told("c1", END))
        waiters.end()
        async with asyncio.timeout(5):
            assert await asyncio.gather(one.news(60), two.news(60)) == [None, None]
    assert waiters.ended
