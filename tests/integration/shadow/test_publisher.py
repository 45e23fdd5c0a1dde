"""Replies, Redis and the bus go their own ways."""

import asyncio
from typing import Any

import pytest

from iotsphere.bus import MemoryBus
from shadow.cache import ShadowCache
from shadow.document import Document, update
from shadow.history import Revision
from shadow.metrics import ShadowMetrics
from shadow.plan import Plan, Reply
from shadow.publisher import MAX_REPLIES, ShadowPublisher
from tests.support.deliveries import record
from tests.support.recording_sender import RecordingSender

pytestmark = pytest.mark.integration


def plan(version: int) -> Plan:
    current = update(Document(version=version - 1), {"reported": {"n": version}}, 1)
    revisions = [Revision(version, 1, "device", "{}")]
    return Plan(("d1", ""), record(), Document(), current, revisions, [Reply("d1", "iot/v1/d1/x", b"%d" % version)])


class StuckCache(ShadowCache):
    async def put(self, documents: Any) -> None:
        await asyncio.Event().wait()


async def test_a_stuck_redis_delays_no_reply(pool: Any, redis: Any) -> None:
    sender = RecordingSender()
    sender.connect("d1")
    publisher = ShadowPublisher(StuckCache(redis, pool), sender, MemoryBus(), ShadowMetrics())
    publisher.start()
    publisher.put([plan(n) for n in range(1, 51)])
    assert [m.payload for m in await sender.wait_for("/x", 50)] == [b"%d" % n for n in range(1, 51)]
    await publisher.stop()


async def test_the_oldest_replies_are_dropped_when_there_are_too_many(pool: Any, redis: Any) -> None:
    sender, metrics = RecordingSender(), ShadowMetrics()
    sender.connect("d1")
    publisher = ShadowPublisher(ShadowCache(redis, pool), sender, MemoryBus(), metrics)
    publisher.put([plan(n) for n in range(1, MAX_REPLIES + 3)])
    publisher.start()
    assert (await sender.wait_for("/x", MAX_REPLIES))[0].payload == b"3"
    assert metrics.replies_dropped._value.get() == 2
    await publisher.stop()
