"""What a writer does that met a newer version than it had read."""

import asyncio
import random

RETRY_S = 0.002
LONGEST_RETRY_S = 0.05


async def after_conflict(attempt: int) -> None:
    """Let the other writer pass: a random wait that grows with the attempts, so that nobody gives up and nobody starves."""
    await asyncio.sleep(random.uniform(0, min(RETRY_S * attempt, LONGEST_RETRY_S)))
