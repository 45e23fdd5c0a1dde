"""A Sender that keeps what it was given, for devices that a test declares present."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import msgspec

from iotsphere import topics
from iotsphere.delivery import SendResult, Sent
from tests.support.waiting import until


@dataclass
class Message:
    device: str
    topic: str
    payload: bytes
    ttl: float | None
    message: str

    @property
    def body(self) -> Any:
        return msgspec.json.decode(self.payload)


@dataclass
class RecordingSender:
    """``sessions``: device → (session, filters). A device that is not in it is offline; one in ``full`` refuses."""

    sessions: dict[str, tuple[int, list[str]]] = field(default_factory=dict)
    full: set[str] = field(default_factory=set)
    sent: list[Message] = field(default_factory=list)

    def connect(self, device: str, session: int = 1, *filters: str) -> None:
        self.sessions[device] = (session, list(filters) or [topics.every_topic_filter(device)])

    def disconnect(self, device: str) -> None:
        del self.sessions[device]

    async def send(
        self, device: str, topic: str, payload: bytes, *, qos: int = 1, ttl: float | None = None, message: str = ""
    ) -> SendResult:
        await asyncio.sleep(0)
        if not self.hears(device, topic):
            return SendResult(Sent.OFFLINE)
        if device in self.full:
            return SendResult(Sent.REFUSED)
        self.sent.append(Message(device, topic, payload, ttl, message))
        return SendResult(Sent.QUEUED, self.sessions[device][0])

    def hears(self, device: str, topic: str) -> bool:
        _, filters = self.sessions.get(device, (0, []))
        return any(topics.matches(text, topic) for text in filters)

    def on(self, ending: str, device: str | None = None) -> list[Message]:
        """What was sent on topics with this ending."""
        return [m for m in self.sent if m.topic.endswith(ending) and device in (None, m.device)]

    async def wait_for(self, ending: str, count: int = 1, timeout: float = 10.0) -> list[Message]:
        """The messages on topics with this ending once there are so many."""
        await until(lambda: len(self.on(ending)) >= count, timeout)
        return self.on(ending)
