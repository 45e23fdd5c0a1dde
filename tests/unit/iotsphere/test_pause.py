"""Waiting that ends early."""

import asyncio
import time

import pytest

from iotsphere.pause import set_within


async def test_it_says_whether_the_event_is_set() -> None:
    event = asyncio.Event()
    began = time.monotonic()
    assert await set_within(event, 0.05) is False
    assert time.monotonic() - began >= 0.04
    asyncio.get_running_loop().call_later(0.05, event.set)
    assert await set_within(event, 60) is True
    assert await set_within(event, 0) is True
    assert await set_within(event, None) is True


async def test_a_cancellation_is_never_lost() -> None:
    event = asyncio.Event()
    waiting = asyncio.create_task(set_within(event, 60))
    await asyncio.sleep(0)
    event.set()
    waiting.cancel()  # in the turn in which the event is set
    with pytest.raises(asyncio.CancelledError):
        await waiting
