"""The worker: batches, the newest of a key, the bound, and an end that loses nothing."""

import asyncio

from iotsphere.infra.worker import Worker


class Handler:
    def __init__(self) -> None:
        self.batches: list[dict[str, int]] = []
        self.go = asyncio.Event()
        self.go.set()

    async def __call__(self, items: dict[str, int]) -> None:
        await self.go.wait()
        self.batches.append(items)
        if "bad" in items:
            raise ValueError("a defect")


async def test_what_gathers_meanwhile_is_the_next_batch_and_the_newest_of_a_key_wins() -> None:
    handler = Handler()
    handler.go.clear()
    worker: Worker[str, int] = Worker("test", handler)
    worker.start()
    worker.put("a", 1)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    for key, item in (("a", 2), ("b", 3), ("a", 4)):
        worker.put(key, item)
    assert worker.peek("a") == 4
    handler.go.set()
    await worker.stop()
    assert handler.batches == [{"a": 1}, {"a": 4, "b": 3}]


async def test_the_oldest_is_dropped_beyond_the_bound() -> None:
    handler, dropped = Handler(), []
    worker: Worker[str, int] = Worker("test", handler, bound=2, on_drop=lambda: dropped.append(1))
    for n, key in enumerate("abca"):
        worker.put(key, n)
    assert len(worker) == 2
    worker.start()
    await worker.stop()
    assert handler.batches == [{"c": 2, "a": 3}]
    assert len(dropped) == 2


async def test_what_is_taken_back_is_not_handled() -> None:
    handler = Handler()
    worker: Worker[str, int] = Worker("test", handler)
    worker.put("a", 1)
    assert worker.take("a") == 1
    assert worker.take("a") is None
    worker.start()
    await worker.stop()
    assert handler.batches == []


async def test_a_defect_ends_its_batch_and_nothing_else() -> None:
    handler = Handler()
    worker: Worker[str, int] = Worker("test", handler)
    worker.start()
    worker.put("bad", 1)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    worker.put("good", 2)
    await worker.stop()
    assert handler.batches == [{"bad": 1}, {"good": 2}]


async def test_the_end_waits_no_longer_than_its_grace() -> None:
    handler = Handler()
    handler.go.clear()
    worker: Worker[str, int] = Worker("test", handler)
    worker.start()
    worker.put("a", 1)
    async with asyncio.timeout(1):
        await worker.stop(grace_s=0.01)
    assert handler.batches == []
    await Worker("never started", handler).stop()
