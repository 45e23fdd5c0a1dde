"""Waiting that ends early."""

import asyncio


async def set_within(event: asyncio.Event, seconds: float | None) -> bool:
    """Wait until an event is set, so many seconds at most (None: for ever); whether it is.

    Not asyncio.wait_for(): before Python 3.12 that may swallow a cancellation.
    """
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return event.is_set()  # in this very turn, perhaps
    return True
