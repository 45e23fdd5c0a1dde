"""The filters of one session, and what they match (MQTT 3.1.1, section 4.7). Pure."""

from iotsphere.topics import levels_match


class Subscriptions:
    """Filter → granted QoS. Exact filters are looked up, those with wildcards are walked."""

    def __init__(self) -> None:
        self._exact: dict[str, int] = {}
        self._wild: dict[str, tuple[list[str], int]] = {}

    def __len__(self) -> int:
        return len(self._exact) + len(self._wild)

    def __contains__(self, topic_filter: str) -> bool:
        return topic_filter in self._exact or topic_filter in self._wild

    def add(self, topic_filter: str, qos: int) -> None:
        """Add or replace."""
        if "+" in topic_filter or "#" in topic_filter:
            self._wild[topic_filter] = (topic_filter.split("/"), qos)
        else:
            self._exact[topic_filter] = qos

    def remove(self, topic_filter: str) -> None:
        """Remove, if it is there."""
        self._exact.pop(topic_filter, None)
        self._wild.pop(topic_filter, None)

    def items(self) -> list[tuple[str, int]]:
        """Every filter with its QoS."""
        return [*self._exact.items(), *((f, qos) for f, (_, qos) in self._wild.items())]

    def match(self, topic: str) -> int | None:
        """The highest QoS of the filters that match, or None: a message is delivered once, however many overlap."""
        found = self._exact.get(topic, -1)
        if self._wild:
            levels = topic.split("/")
            for pattern, qos in self._wild.values():
                if qos > found and levels_match(pattern, levels):
                    found = qos
        return None if found < 0 else found
