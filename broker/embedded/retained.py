"""Retained messages: the last one of each topic that was published with RETAIN. In memory, bounded. Pure."""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass

from broker.embedded.topic_tree import TopicTree
from iotsphere.registry import DeviceRecord


@dataclass(frozen=True, slots=True)
class Kept:
    """A retained message, and who sent it as the registry had him then: he may belong to another organization now."""

    sender: DeviceRecord
    topic: str
    payload: bytes
    qos: int


class Retained:
    """At most ``messages`` messages and ``bytes`` of payload; policy when full: the one set first goes, and is counted."""

    def __init__(self, messages: int, bytes: int) -> None:  # noqa: A002 - the unit
        self._messages, self._bytes = messages, bytes
        self._kept: OrderedDict[str, Kept] = OrderedDict()
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
        self._kept[message.topic] = message
        self._tree.put(message.topic, message)
        self.held += len(message.payload)
        while len(self._kept) > self._messages or self.held > self._bytes:
            self._forget(next(iter(self._kept)))
            self.dropped += 1

    def _forget(self, topic: str) -> None:
        if (known := self._kept.pop(topic, None)) is not None:
            self._tree.remove(topic)
            self.held -= len(known.payload)

    def matching(self, topic_filter: str) -> Iterator[Kept | None]:
        """Those whose topics the filter matches; None for each step that finds none. One may rest between two steps."""
        return self._tree.topics_of(topic_filter)
