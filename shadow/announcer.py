"""Tells devices of new versions: the delta while there is one, and the documents.

The outbox are the rows with ``announced_version < version``.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial

import asyncpg

from iotsphere import topics
from iotsphere.delivery import Sender, Sent
from iotsphere.infra.postgres import Patience, wait_out
from iotsphere.infra.worker import Worker
from iotsphere.registry import DeviceRecord
from shadow import replies
from shadow.document import Document
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

    def on_subscribed(self, device: DeviceRecord, session: int, topic_filter: str) -> None:
        """A device that may hear of its delta from now on is told what there is."""
        if device.kind == "service" or not _may_match_delta(device.id, topic_filter):
            return
        filters = (self._subscribed.peek(device.id) or frozenset()) | {topic_filter}
        if len(filters) > MAX_FILTERS:  # a device that subscribes all day: it is told of everything it has, once
            filters = frozenset({topics.every_topic_filter(device.id)})
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
                topic = _topic(key, "delta")
                if any(topics.matches(text, topic) for text in filters[key[0]]):
                    await self._send_delta(key, document, None)

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
        token = hint.token if hint else None
        previous = hint.previous if hint and hint.previous.version < document.version else None
        body = replies.documents(previous, document, document.timestamp)
        told = await self._send(key, "documents", replies.with_token(body, token)) and await self._send_delta(
            key, document, token
        )
        if not told and hint:
            self._hints.setdefault(key, hint)
        return told

    async def _send_delta(self, key: Key, document: Document, token: str | None) -> bool:
        body = replies.delta(document, document.timestamp)
        return body is None or await self._send(key, "delta", replies.with_token(body, token))

    async def _send(self, key: Key, what: str, payload: bytes) -> bool:
        result = await self._sender.send(key[0], _topic(key, what), payload)
        return result.sent is not Sent.REFUSED


def _topic(key: Key, what: str) -> str:
    return topics.shadow_reply(key[0], "update", what, key[1] or None)


def _may_match_delta(device: str, text: str) -> bool:
    """Whether the filter matches the delta topic of the classic shadow or of some named one."""
    levels = text.split("/")
    name = levels[5] if len(levels) > 5 and levels[5] not in ("+", "#") else "any"
    return any(topics.matches(text, _topic((device, which), "delta")) for which in ("", name))
