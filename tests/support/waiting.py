"""Waits for what happens by itself."""

import asyncio
from collections.abc import Callable
from inspect import isawaitable
from typing import Any


async def until(true: Callable[[], Any], timeout: float = 5.0) -> None:
    """Wait until it is true; what is awaitable is awaited.

    Raises:
        TimeoutError: it never was.
    """
    async with asyncio.timeout(timeout):
        while not (await result if isawaitable(result := true()) else result):  # noqa: ASYNC110 - conditions of foreign objects have no event
            await asyncio.sleep(0.005)
