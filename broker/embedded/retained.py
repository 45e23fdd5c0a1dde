"""Retained messages: the last one of each topic that was published with RETAIN. In memory, bounded. Pure."""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field

from broker.embedded.topic_tree import TopicTree
from iotsphere.registry import DeviceRecord


@dataclass(frozen=True, slots=True)
class Kept:
    """A retained message, and who sent it as the registry had him then: he may belong to another organization now."""

    sender: DeviceRecord
    topic: str
    payload: bytes
    qos: int


@dataclass(slots=True)
class Share:
    """What one sender has here: his topics in the order in which they were set, and the bytes of their payload."""

    topics: dict[str, None] = field(default_factory=dict)
    held: int = 0


class Retained:
    """Retained messages of everybody, and each sender's share of them. What is given up is counted.

    Args:
        messages, bytes: of all; policy when full: the one set first goes.
        sender_messages, sender_bytes: of one sender; policy when full: his own that was set first goes, nobody else's.
    """

    def __init__(self, messages: int, bytes: int, *, sender_messages: int, sender_bytes: int) -> None:  # noqa: A002 - the unit
        self._messages, self._bytes = messages, bytes
        self._sender_messages, self._sender_bytes = sender_messages, sender_bytes
        self._kept: OrderedDict[str, Kept] = OrderedDict()
        self._shares: dict[str, Share] = {}
        self._tree: TopicTree[Kept] = TopicTree()
        self.held = 0
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._kept)

    def put(self, message: Kept) -> None:
        """Keep instead of the topic's earlier one; an empty payload only takes that away. Topics below $ retain nothing."""
        self._forget(message.topic)
        if not message.payload or message.topic.startswith("$"):
            return
        self._keep(message)
        share = self._shares[message.sender.id]
        while len(share.topics) > self._sender_messages or share.held > self._sender_bytes:
            self._drop(next(iter(share.topics)))
        while len(self._kept) > self._messages or self.held > self._bytes:
            self._drop(next(iter(self._kept)))

    def _keep(self, message: Kept) -> None:
        self._kept[message.topic] = message
        self._tree.put(message.topic, message)
        self.held += len(message.payload)
        share = self._shares.setdefault(message.sender.id, Share())
        share.topics[message.topic] = None
        share.held += len(message.payload)

    def _drop(self, topic: str) -> None:
        self._forget(topic)
        self.dropped += 1

    def _forget(self, topic: str) -> None:
        if (known := self._kept.pop(topic, None)) is None:
            return
        self._tree.remove(topic)
        self.held -= len(known.payload)
        share = self._shares[known.sender.id]
        del share.topics[topic]
        share.held -= len(known.payload)
        if not share.topics:
            del self._shares[known.sender.id]

    def matching(self, topic_filter: str) -> Iterator[Kept | None]:
        """Those whose topics the filter matches; None for each step that finds none. One may rest between two steps."""
        return self._tree.topics_of(topic_filter)
