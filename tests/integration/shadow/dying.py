"""A process that kills itself at one step of an update: `python -m tests.integration.shadow.dying DSN REDIS ROLE STEP`.

ROLE is ``edge``, where a device asks for the update, or ``cloud``, where a person does. STEP is a key of STEPS.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from iotsphere.infra.postgres import make_pool
from shadow.cache import ShadowCache, connect
from shadow.shadow_table import ShadowTable
from tests.integration.shadow.parts import make_cloud, make_edge
from tests.support.waiting import until

FIRST = {"state": {"desired": {"a": 1}, "reported": {"a": 1}}}
WISH = {"a": 2}
# What is wrapped, and whether death comes before or after it.
STEPS: dict[str, tuple[type, str, bool]] = {
    "before the commit": (ShadowTable, "store", True),
    "after the commit": (ShadowTable, "store", False),
    "after redis": (ShadowCache, "put", False),
    "after the delta": (ShadowTable, "announced", True),
}


def deadly(method: Callable[..., Any], before: bool) -> Callable[..., Any]:
    """The method, and then the end; or the end at once."""

    async def call(*arguments: Any) -> Any:
        if not before:
            await method(*arguments)
        os.kill(os.getpid(), signal.SIGKILL)

    return call


async def main(dsn: str, url: str, role: str, step: str) -> None:
    """One update that goes well, then the deadly one."""
    owner, name, before = STEPS[step]
    async with (
        await make_pool(dsn, name="dying") as pool,
        connect(url) as redis,
        make_edge(pool, redis) as edge,
        make_cloud(pool, redis) as cloud,
    ):
        await until(lambda: not edge.cache.behind and not cloud.cache.behind, 20)
        await edge.request("update", FIRST)
        await until(lambda: redis.exists("device:{d1}:shadow"), 20)
        await edge.announcer.sweep()
        setattr(owner, name, deadly(getattr(owner, name), before))
        if role == "edge":
            await edge.request("update", {"state": {"desired": WISH}})
        else:
            await cloud.desire(WISH)
        await asyncio.sleep(20)
        sys.exit("still alive")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
