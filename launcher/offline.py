"""The platform as a device sees it, in memory, for tests of devices: the embedded broker and the shadow's rules, no database.

What a PUBACK means is different here: the message is in this process's memory.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import msgspec

from broker.api import LANE_OF, Delivery, Lane, Presence
from ingest.decode import Telemetry, decode_many, decode_one, is_packed
from iotsphere import topics
from iotsphere.delivery import Sender
from iotsphere.devices._spec import DeviceType
from iotsphere.messages import CommandRequest, CommandResponse, DeviceEvent
from iotsphere.registry import DeviceRecord
from iotsphere.topics import Dialect, Kind
from shadow import document, replies
from shadow.document import Document, encode
from shadow.plan import Planner
from shadow.shadow_table import Key

ORGANIZATION = "default"


@dataclass
class Spoken:
    """What a device has said so far, in the order in which it came.

    Attributes:
        readings: one for each object of a payload; lists are taken apart.
        refused: why messages or connections were refused.
    """

    readings: list[Telemetry] = field(default_factory=list)
    events: list[DeviceEvent] = field(default_factory=list)
    status: list[str] = field(default_factory=list)
    answers: dict[str, CommandResponse] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)


class MemoryRegistry:
    """Devices that were added."""

    def __init__(self) -> None:
        self._records: dict[str, DeviceRecord] = {}

    def add(self, device: str, device_type: str) -> None:
        """An active device."""
        self._records[device] = DeviceRecord(device, ORGANIZATION, device_type, "device", "active")

    def get(self, device: str) -> DeviceRecord | None:
        """The record."""
        return self._records.get(device)

    async def find(self, device: str) -> DeviceRecord | None:
        """The record."""
        return self._records.get(device)

    def revoked(self, serial: str) -> bool:
        """None is."""
        return False


class MemoryEpochs:
    """Session epochs."""

    def __init__(self) -> None:
        self._numbers = count(1)

    def next(self) -> int:
        """The next one."""
        return next(self._numbers)


class MemoryShadows:
    """Shadows by the platform's own rules, and what devices hear of them."""

    def __init__(self, types: Mapping[str, DeviceType]) -> None:
        self._types, self._planner = types, Planner(types)
        self._documents: dict[Key, Document] = {}

    def get(self, device: str, name: str = "") -> Document:
        """The document; one of version 0 when there is none."""
        return self._documents.get((device, name), Document())

    async def commit(self, delivery: Delivery, sender: Sender) -> list[str]:
        """A request of a device; returns why it was refused, if it was."""
        key = (delivery.device.id, delivery.route.name or "")
        plan = self._planner.plan(self.get(*key), [delivery], time.time())
        self._documents[key] = plan.current
        for reply in plan.replies:
            await sender.send(reply.device, reply.topic, reply.payload)
        if plan.revisions:
            await self._announce(key, plan.base, sender)
        return [refusal.reason for refusal in plan.refusals]

    async def desire(self, record: DeviceRecord, desired: Mapping[str, Any], sender: Sender) -> None:
        """What a person or a program wishes.

        Raises:
            InvalidInput: the device type does not allow it.
        """
        if (declared := self._types.get(record.device_type)) is not None:
            declared.check_desired(desired)
        key, change = (record.id, ""), {"desired": dict(desired)}
        before = self.get(*key)
        self._documents[key] = document.update(before, change, time.time())
        await self._announce(key, before, sender)

    async def subscribed(self, device: str, topic_filter: str, sender: Sender) -> None:
        """A device that may hear of its delta from now on is told what there is."""
        for key in [key for key in self._documents if key[0] == device]:
            for dialect in Dialect:
                if topics.matches(topic_filter, _topic(key, "delta", dialect)):
                    await self._tell_delta(key, dialect, sender)

    async def _announce(self, key: Key, before: Document, sender: Sender) -> None:
        for dialect in Dialect:
            body = replies.documents(before, self._documents[key], dialect)
            await sender.send(key[0], _topic(key, "documents", dialect), encode(body))
            await self._tell_delta(key, dialect, sender)

    async def _tell_delta(self, key: Key, dialect: Dialect, sender: Sender) -> None:
        if (body := replies.delta(self._documents[key], dialect)) is not None:
            await sender.send(key[0], _topic(key, "delta", dialect), encode(body))


class OfflineCloud:
    """Implements broker.api.Ingest and Listener in memory.

    Attributes:
        spoken: by device.
    """

    def __init__(self, types: Mapping[str, DeviceType]) -> None:
        self.registry = MemoryRegistry()
        self.shadows = MemoryShadows(types)
        self.spoken: dict[str, Spoken] = defaultdict(Spoken)
        self._sender: Sender
        self._telling: set[asyncio.Task[None]] = set()

    def attach(self, sender: Sender) -> None:
        """The broker of now."""
        self._sender = sender

    async def commit(self, lane: Lane, batch: Sequence[Delivery]) -> None:
        """Take everything in."""
        for delivery in batch:
            spoken = self.spoken[delivery.device.id]
            try:
                await self._take(delivery, spoken)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                spoken.refused.append(f"{delivery.topic}: {error}")

    async def _take(self, delivery: Delivery, spoken: Spoken) -> None:
        match delivery.route.kind:
            case Kind.TELEMETRY:
                spoken.readings += readings(delivery.payload)
            case Kind.EVENT:
                spoken.events.append(msgspec.json.decode(delivery.payload, type=DeviceEvent))
            case Kind.STATUS:
                spoken.status.append(delivery.payload.decode())
            case Kind.COMMAND_RESPONSE:
                command_id = delivery.route.command_id or ""
                spoken.answers[command_id] = msgspec.json.decode(delivery.payload, type=CommandResponse)
            case kind if LANE_OF[kind] is Lane.SHADOW:
                spoken.refused += await self.shadows.commit(delivery, self._sender)

    async def give_up(self, lane: Lane, delivery: Delivery, error: Exception) -> None:
        """commit() raised."""
        self.spoken[delivery.device.id].refused.append(f"{delivery.topic}: {type(error).__name__}: {error}")

    async def request(self, device: str, request: CommandRequest) -> None:
        """Send a command."""
        await self._sender.send(device, topics.command_request(device, request.id), msgspec.json.encode(request))

    async def desire(self, record: DeviceRecord, desired: Mapping[str, Any]) -> None:
        """Wish something; raises as MemoryShadows.desire()."""
        await self.shadows.desire(record, desired, self._sender)

    # ── broker.api.Listener ────────────────────────────────────────────────────────────────────────────────────────

    def on_presence(self, presence: Presence) -> None:
        """The broker itself is asked who is there."""

    def on_subscribed(self, device: DeviceRecord, session: int, topic_filter: str) -> None:
        """Tell the device what it may hear of from now on."""
        telling = asyncio.create_task(self.shadows.subscribed(device.id, topic_filter, self._sender), name="offline-subscribed")
        self._telling.add(telling)
        telling.add_done_callback(self._telling.discard)

    def on_delivered(self, device: str, session: int, message: str) -> None:
        """Answers are what counts."""

    def on_refused(self, device: str | None, category: str, reason: str, topic: str | None, peer: str) -> None:
        """A test must see it."""
        self.spoken[device or ""].refused.append(f"{topic or 'connection'}: {reason}")


def readings(payload: bytes) -> Iterator[Telemetry]:
    """The objects of a payload."""
    if is_packed(payload) or payload.lstrip()[:1] == b"[":
        yield from decode_many(payload)
    else:
        yield decode_one(payload)


def _topic(key: Key, what: str, dialect: Dialect) -> str:
    return topics.shadow_reply(key[0], "update", what, key[1] or None, dialect)
