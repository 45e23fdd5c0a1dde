import asyncio
from contextlib import ExitStack

import pytest

from ingest import precedence
from ingest.precedence import Precedence


async def test_a_turn_comes_when_every_earlier_batch_that_copies_is_through(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precedence, "LONGEST_WAIT", 60.0)
    order = Precedence()
    earlier = ExitStack()
    earlier.enter_context(order.turn(copies=True))
    with order.turn(copies=False), order.turn(copies=True) as it, order.turn(copies=True):
        waiting = asyncio.create_task(it.come())
        await asyncio.sleep(0)
        assert not waiting.done()
        earlier.close()
        await asyncio.wait_for(waiting, 5)  # neither for the one that merges nor for a later one
        await it.come()


async def test_a_turn_comes_in_any_case(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precedence, "LONGEST_WAIT", 0.01)
    order = Precedence()
    with order.turn(copies=True), order.turn(copies=True) as it:
        await asyncio.wait_for(it.come(), 5)


async def test_a_batch_that_fails_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precedence, "LONGEST_WAIT", 60.0)
    order = Precedence()
    with pytest.raises(RuntimeError), order.turn(copies=True):
        raise RuntimeError
    with order.turn(copies=True) as it:
        await asyncio.wait_for(it.come(), 5)
