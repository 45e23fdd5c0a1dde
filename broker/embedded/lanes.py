"""Lanes: messages of one kind, committed together; and the acknowledgements that follow each commit in order."""

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

import structlog

from broker.api import Delivery, Ingest, Lane

log = structlog.get_logger()

RETRIES = (0.2, 1.0)  # seconds to wait after each failed commit before its messages are tried by halves

OnCommit = Callable[[Lane, int, float], None]


class AckOwner(Protocol):
    """The connection that waits for its acknowledgements."""

    def group_done(self, group: "AckGroup") -> None:
        """The group is committed."""

    def acknowledge(self) -> None:
        """Write what is in turn."""


class AckGroup:
    """Consecutive messages of one TCP read that go to one lane; acknowledged together.

    Attributes:
        acks: PUBACK and PUBREC packets in the order of the messages, joined.
        count: messages; size: bytes of their payloads.
        followers: groups of a later connection that repeat messages of this one: done when this one is.
    """

    __slots__ = ("acks", "count", "deliveries", "done", "followers", "owner", "size")

    def __init__(self, owner: AckOwner) -> None:
        self.owner = owner
        self.acks: list[bytes] = []
        self.deliveries: list[Delivery] = []
        self.count = 0
        self.size = 0
        self.done = False
        self.followers: list[AckGroup] | None = None


class LaneQueue:
    """Messages of one lane on their way into the store. Bounded by the connections: see Limits; policy: sockets are not read.

    Args:
        lane: which one.
        ingest: where batches go; returns when they are committed.
        batch: messages a commit takes at most.
        workers: commits under way at once; more than one only where the order between batches does not matter.
        on_done: called with a group after its commit, for the global count.
        on_commit: called with the lane, the messages and the seconds of each commit.
    """

    def __init__(
        self,
        lane: Lane,
        ingest: Ingest,
        *,
        batch: int,
        workers: int,
        on_done: Callable[[AckGroup], None],
        on_commit: OnCommit | None = None,
    ) -> None:
        self.lane = lane
        self._ingest = ingest
        self._batch = batch
        self._workers = workers
        self._on_done = on_done
        self._on_commit = on_commit
        self._groups: list[AckGroup] = []
        self._arrived = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._busy = 0
        self._tasks: list[asyncio.Task[None]] = []
        self.batches = 0
        self.given_up = 0
        self.messages = 0

    def start(self) -> None:
        """Begin to commit."""
        self._tasks = [asyncio.create_task(self._run(), name=f"lane-{self.lane.value}-{n}") for n in range(self._workers)]

    async def stop(self, timeout: float) -> None:
        """Wait at most ``timeout`` seconds until everything is committed, then end. What is left was never acknowledged."""
        try:
            await asyncio.wait_for(self._idle.wait(), timeout)
        except TimeoutError:
            log.warning("stopped with messages that are not committed and not acknowledged", lane=self.lane.value)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def add(self, group: AckGroup) -> None:
        """Queue a group."""
        self._groups.append(group)
        self._idle.clear()
        self._arrived.set()

    @property
    def waiting(self) -> int:
        """Groups that no commit has taken yet."""
        return len(self._groups)

    async def _run(self) -> None:
        # Whatever has arrived is committed at once: while one commit is under way the next batch gathers by itself,
        # so a batch is as large as the load makes it and a single message waits for nothing.
        while True:
            await self._arrived.wait()
            await self._commit_some()  # a frame of its own, which refers to nobody's connection any more while we wait

    async def _commit_some(self) -> None:
        groups = self._take()
        if not groups:
            return
        self._busy += 1
        try:
            await self._commit(groups)
        finally:
            self._busy -= 1
            if not self._groups and not self._busy:
                self._idle.set()

    def _take(self) -> list[AckGroup]:
        taken, count = 0, 0
        for group in self._groups:
            if count >= self._batch:
                break
            taken, count = taken + 1, count + group.count
        groups, self._groups = self._groups[:taken], self._groups[taken:]
        if not self._groups:
            self._arrived.clear()
        return groups

    async def _store(self, deliveries: list[Delivery]) -> None:
        """A defect of ours, or a message that meets one, must neither acknowledge what is not committed nor stop the lane."""
        for pause in RETRIES:
            try:
                await self._ingest.commit(self.lane, deliveries)
                return
            except Exception:
                log.exception("commit failed, will be tried again", lane=self.lane.value, messages=len(deliveries))
                await asyncio.sleep(pause)
        await self._isolate(deliveries)

    async def _isolate(self, deliveries: list[Delivery]) -> None:
        """Halve until the message that makes commit() raise is alone, and give it up."""
        try:
            await self._ingest.commit(self.lane, deliveries)
        except Exception as error:
            if len(deliveries) == 1:
                await self._give_up(deliveries[0], error)
                return
            middle = len(deliveries) // 2
            await self._isolate(deliveries[:middle])
            await self._isolate(deliveries[middle:])

    async def _give_up(self, delivery: Delivery, error: Exception) -> None:
        while True:
            try:
                await self._ingest.give_up(self.lane, delivery, error)
                self.given_up += 1
                return
            except Exception:  # not recorded, so not acknowledged
                log.exception("a message could not be given up", lane=self.lane.value, topic=delivery.topic)
                await asyncio.sleep(1)

    async def _commit(self, groups: list[AckGroup]) -> None:
        deliveries = [delivery for group in groups for delivery in group.deliveries]
        began = time.monotonic()
        await self._store(deliveries)
        if self._on_commit is not None:
            self._on_commit(self.lane, len(deliveries), time.monotonic() - began)
        self.batches += 1
        self.messages += len(deliveries)
        # One write for each connection: with single messages a write costs as much as all the rest of a message.
        owners: dict[AckOwner, None] = {}
        for group in groups:
            group.done = True
            group.deliveries = []
            self._on_done(group)
            group.owner.group_done(group)
            owners[group.owner] = None
            for follower in group.followers or ():
                follower.done = True
                owners[follower.owner] = None
        for owner in owners:
            owner.acknowledge()
