"""What every Python process of the platform has in common: uvloop, rare garbage collections, a polite end."""

import asyncio
import gc
import signal
from collections.abc import Awaitable, Callable

import uvloop


def run(main: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    """Run ``main`` with an event that SIGTERM and SIGINT set; returns when it returns."""
    tame_collector()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_until_signal(main))


async def _until_signal(main: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await main(stop)


def tame_collector() -> None:
    """What was imported so far lives for ever; with the default thresholds a collection halts a loop for 100 ms at a time, and
    whoever makes rows by the thousand spends a third of the time in collections."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
