"""The session of a client: what outlives its connection when it asked for that with clean session off."""

from collections.abc import Callable

from broker.api import SendResult, Sent
from broker.embedded.lanes import AckGroup
from broker.embedded.limits import Limits
from broker.embedded.outgoing import Link, Outgoing, OutgoingQueue
from broker.embedded.subscriptions import Subscriptions
from iotsphere import topics
from iotsphere.registry import DeviceRecord


def seat_of(record: DeviceRecord) -> str:
    """Under which name a client is found: a service, even one with a device's id, is never one that send() means."""
    return f"service/{record.id}" if record.kind == "service" else record.id


class Session:
    """Filters, messages on their way to the client, and the ids of its QoS 2 messages that it has not released.

    Attributes:
        record: the client, as the registry had it at its last CONNECT.
        epoch: the session number of its last CONNECT.
        clean: it ends with its connection.
        present: the client is connected.
        hears_itself: a filter of it matches what it may publish.
        unreleased: id → group in which the QoS 2 message went into the store; until its PUBREL the same id is the same message.
    """

    __slots__ = ("clean", "epoch", "filters", "hears_itself", "outgoing", "present", "record", "unreleased")

    def __init__(self, record: DeviceRecord, clean: bool, limits: Limits, clock: Callable[[], float]) -> None:
        self.record = record
        self.epoch = 0
        self.clean = clean
        self.present = False
        self.filters = Subscriptions()
        self.outgoing = OutgoingQueue(limits, clock)
        self.hears_itself = False
        self.unreleased: dict[int, AckGroup] = {}

    @property
    def is_service(self) -> bool:
        """Whether the client is no device."""
        return self.record.kind == "service"

    def attach(self, link: Link) -> None:
        """The client is connected, and its CONNACK is written."""
        self.present = True
        self.outgoing.attach(link)

    def detach(self) -> None:
        """The client is gone."""
        self.present = False
        self.outgoing.detach()

    def subscribe(self, topic_filter: str, qos: int) -> None:
        """Add or replace a filter that policy has granted."""
        self.filters.add(topic_filter, qos)
        self.hears_itself = self.hears_itself or self._is_echo(topic_filter)

    def unsubscribe(self, topic_filter: str) -> None:
        """Remove a filter, if it is there."""
        self.filters.remove(topic_filter)
        if self.hears_itself and self._is_echo(topic_filter):
            self.hears_itself = any(self._is_echo(left) for left, _ in self.filters.items())

    def _is_echo(self, topic_filter: str) -> bool:
        published = () if self.is_service else topics.published_by(self.record.id)
        return any(topics.overlap(topic_filter, pattern) for pattern in published)

    def hears(self, topic: str) -> bool:
        """Whether the client is there and a filter of it matches."""
        return self.present and self.filters.match(topic) is not None

    def send(self, outgoing: Outgoing) -> SendResult:
        """Send at the lower of both QoS, if the client is there and a filter of it matches."""
        granted = self.filters.match(outgoing.topic)
        if granted is None or not self.present:
            return SendResult(Sent.OFFLINE)
        return SendResult(self.outgoing.offer(outgoing.at_most(granted)), self.epoch)
