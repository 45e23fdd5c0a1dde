"""Tells devices of new versions: the delta while there is one, and the documents.

The outbox are the rows with ``announced_version < version``.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import asyncpg

from iotsphere import topics
from iotsphere.delivery import Sender, Sent
from iotsphere.infra.postgres import Patience, wait_out
from iotsphere.infra.worker import Worker
from iotsphere.registry import DeviceRecord
from iotsphere.topics import Dialect
from shadow import replies
from shadow.document import Document, encode
from shadow.metrics import ShadowMetrics
from shadow.shadow_table import FIRST, Key, ShadowTable

SWEEP_S = 1.0
PAGE = 500
MAX_FILTERS = 100


@dataclass(frozen=True, slots=True)
class Hint:
    """What only the process that made a change knows; without it the announcement is a little poorer."""

    previous: Document
    token: str | None


class ShadowAnnouncer:
    """Announces what was committed by whatever process, once at a wake, else within SWEEP_S.

    A version counts as announced also when its device is absent or does not subscribe: it gets its delta when it subscribes.
    Versions that follow each other quickly may be announced as one.
    """

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]", sender: Sender, metrics: ShadowMetrics | None = None) -> None:
        self._table = ShadowTable(pool)
        self._sender = sender
        self._metrics = metrics or ShadowMetrics()
        self._hints: dict[Key, Hint] = {}
        self._woken: Worker[str, None] = Worker("shadow-announce", self._announce_woken)
        self._subscribed: Worker[str, frozenset[str]] = Worker("shadow-subscribed", self._announce_subscribed)
        self._announcing = asyncio.Lock()
        self._sweeper: asyncio.Task[None] | None = None
        self._patience = Patience("shadow announcer")

    def start(self) -> None:
        """Begin; the first sweep finds what a crash left."""
        self._woken.start()
        self._subscribed.start()
        self._sweeper = asyncio.create_task(self._sweep_forever(), name="shadow-sweep")

    async def stop(self) -> None:
        """End; what is not announced is found at the next start."""
        if self._sweeper is not None:
            self._sweeper.cancel()
            await asyncio.gather(self._sweeper, return_exceptions=True)
        await self._woken.stop()
        await self._subscribed.stop()

    def wake(self, device: str) -> None:
        """A shadow of this device has changed, here or in another process."""
        self._woken.put(device, None)

    def changed(self, key: Key, previous: Document, token: str | None) -> None:
        """As wake(), with what makes the announcement complete: the document before and the request's clientToken."""
        known = self._hints.get(key)
        self._hints[key] = Hint(known.previous if known else previous, token)
        self.wake(key[0])

    def has_news(self, key: Key, document: Document) -> bool:
        """Whether a new version must be announced: there is a delta, or the device subscribes to the documents.

        A delta is always news: who subscribes just while the version is committed would else miss it.
        """
        return document.delta is not None or any(
            self._sender.hears(key[0], _topic(key, "documents", dialect)) for dialect in Dialect
        )

    def on_subscribed(self, device: DeviceRecord, session: int, topic_filter: str) -> None:
        """A device that may hear of its delta from now on is told what there is."""
        if device.kind == "service" or not _may_match_delta(device.id, topic_filter):
            return
        filters = (self._subscribed.peek(device.id) or frozenset()) | {topic_filter}
        if len(filters) > MAX_FILTERS:  # a device that subscribes all day: it is told of everything it has, once
            filters = frozenset({topics.every_topic_filter(device.id), topics.every_aws_filter(device.id)})
        self._subscribed.put(device.id, filters)

    async def _announce_woken(self, devices: Mapping[str, None]) -> None:
        names = list(devices)
        for start in range(0, len(names), PAGE):
            await self._announce(partial(self._table.due_of, names[start : start + PAGE]))

    async def _announce_subscribed(self, filters: Mapping[str, frozenset[str]]) -> None:
        names = list(filters)
        for start in range(0, len(names), PAGE):
            documents = await wait_out(self._patience, partial(self._table.of_devices, names[start : start + PAGE]))
            for key, document in documents.items():
                for dialect in Dialect:
                    await self._send_subscribed(key, document, dialect, filters[key[0]])

    async def _send_subscribed(self, key: Key, document: Document, dialect: Dialect, filters: frozenset[str]) -> None:
        topic, body = _topic(key, "delta", dialect), replies.delta(document, dialect)
        if body is not None and any(topics.matches(text, topic) for text in filters):
            await self._send(key[0], topic, encode(body))

    async def _sweep_forever(self) -> None:
        while True:
            await self.sweep()
            await asyncio.sleep(SWEEP_S)

    async def sweep(self) -> None:
        """Announce everything that is due: what a crash, a lost wake or a full window left. Waits out an absent store."""
        after = FIRST
        while due := await self._announce(partial(self._table.due, after, PAGE)):
            after = max(due)

    async def _announce(self, load: Callable[[], Awaitable[Mapping[Key, Document]]]) -> Mapping[Key, Document]:
        async with self._announcing:  # else the sweep and a wake would load, and announce, the same row
            due = await wait_out(self._patience, load)
            done = [(*key, document.version) for key, document in due.items() if await self._told(key, document)]
            await wait_out(self._patience, lambda: self._table.announced(done))
            self._metrics.announced.inc(len(done))
            return due

    async def _told(self, key: Key, document: Document) -> bool:
        hint = self._hints.pop(key, None)
        for topic, payload in self._messages(key, document, hint):
            if not await self._send(key[0], topic, payload):
                if hint:
                    self._hints.setdefault(key, hint)
                return False
        return True

    def _messages(self, key: Key, document: Document, hint: Hint | None) -> Iterator[tuple[str, bytes]]:
        """Topic and payload of everything about a new version that the device subscribes to."""
        token = hint.token if hint else None
        previous = hint.previous if hint and hint.previous.version < document.version else None
        for dialect in Dialect:
            topic = _topic(key, "documents", dialect)
            if self._sender.hears(key[0], topic):
                yield topic, replies.with_token(replies.documents(previous, document, dialect), token)
            topic = _topic(key, "delta", dialect)
            if document.delta is not None and self._sender.hears(key[0], topic):
                yield topic, replies.with_token(replies.delta(document, dialect) or {}, token)

    async def _send(self, device: str, topic: str, payload: bytes) -> bool:
        return (await self._sender.send(device, topic, payload)).sent is not Sent.REFUSED


def _topic(key: Key, what: str, dialect: Dialect) -> str:
    return topics.shadow_reply(key[0], "update", what, key[1] or None, dialect)


def _may_match_delta(device: str, text: str) -> bool:
    """Whether the filter matches the delta topic of the classic shadow or of some named one."""
    return any(
        topics.overlap(text, topics.shadow_reply(device, "update", "delta", name, dialect))
        for dialect in Dialect
        for name in (None, "+")
    )
