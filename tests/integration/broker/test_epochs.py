"""Session numbers from a real sequence."""

import asyncio

import pytest

from broker.epochs import EpochBlocks
from iotsphere.errors import StoreUnavailable
from iotsphere.infra.postgres import Pool

pytestmark = pytest.mark.integration


async def test_numbers_grow_within_and_across_restarts(pool: Pool) -> None:
    seen = []
    for _ in range(3):
        epochs = EpochBlocks(pool)
        await epochs.start()
        seen += [epochs.next() for _ in range(5)]
        await epochs.stop()
    assert seen == sorted(set(seen))
    assert seen[0] > 0


async def test_the_next_block_is_fetched_ahead(pool: Pool) -> None:
    epochs = EpochBlocks(pool, block=10)
    await epochs.start()
    seen = []
    for _ in range(100):
        seen.append(epochs.next())
        await asyncio.sleep(0.005)
    assert seen == sorted(set(seen))
    await epochs.stop()


async def test_two_blocks_last_while_the_database_is_away_then_there_are_none(pool: Pool) -> None:
    epochs = EpochBlocks(pool, block=10)
    await epochs.start()
    for _ in range(6):
        epochs.next()
    await asyncio.sleep(0.1)
    await pool.close()
    for _ in range(14):
        epochs.next()
    with pytest.raises(StoreUnavailable):
        epochs.next()
    await epochs.stop()
