"""Who gets what devices publish: services by their filters, a device what it subscribed to of its own, and retained messages."""

from collections.abc import Iterator, Sequence

from broker import policy
from broker.api import Delivery
from broker.embedded.kept_sessions import KeptSessions
from broker.embedded.limits import Limits
from broker.embedded.outgoing import Outgoing
from broker.embedded.retained import Kept, Retained
from broker.embedded.session import Session
from broker.embedded.topic_tree import TopicTree
from iotsphere.registry import Registry

TOPICS_CACHED = 20_000
Audience = Sequence[tuple[Session, int]]  # each once, with the highest QoS of its filters that match


class FanOut:
    """Routes by a tree of the services' filters; a topic's audience is remembered until a service subscribes or leaves.

    Attributes:
        is_heard: some service has a filter.
    """

    def __init__(self, registry: Registry, limits: Limits, sessions: KeptSessions) -> None:
        self.retained = Retained(
            limits.retained, limits.retained_bytes,
            sender_messages=limits.sender_retained, sender_bytes=limits.sender_retained_bytes,
        )  # fmt: skip
        self._registry = registry
        self._sessions = sessions
        self._filters: TopicTree[dict[Session, int]] = TopicTree()
        self._audiences: dict[str, Audience] = {}
        self.is_heard = False

    @property
    def filters(self) -> int:
        """Different filters of services."""
        return len(self._filters)

    # ── filters ────────────────────────────────────────────────────────────────────────────────────────────────────

    def subscribe(self, session: Session, topic_filter: str, qos: int) -> None:
        """A filter that policy has granted."""
        session.subscribe(topic_filter, qos)
        if session.is_service:
            self._audiences.clear()
            if (holders := self._filters.get(topic_filter)) is None:
                self._filters.put(topic_filter, holders := {})
            holders[session] = qos
            self.is_heard = True

    def unsubscribe(self, session: Session, topic_filter: str) -> None:
        """A filter that is not wanted any more, if it ever was."""
        session.unsubscribe(topic_filter)
        self._remove(session, topic_filter)

    def forget(self, session: Session) -> None:
        """A session that is over."""
        for topic_filter, _ in session.filters.items():
            self._remove(session, topic_filter)

    def _remove(self, session: Session, topic_filter: str) -> None:
        holders = self._filters.get(topic_filter)
        if holders is not None and holders.pop(session, None) is not None:
            self._audiences.clear()
            if not holders:
                self._filters.remove(topic_filter)
                self.is_heard = len(self._filters) > 0

    # ── messages ───────────────────────────────────────────────────────────────────────────────────────────────────

    def deliver(self, sender: Session, deliveries: Sequence[Delivery]) -> None:
        """Hand messages of one sender to everyone who subscribes to them and may see them."""
        for delivery in deliveries:
            outgoing = Outgoing(delivery.topic, delivery.payload, delivery.qos)
            if sender.hears_itself and (granted := sender.filters.match(delivery.topic)) is not None:
                self._sessions.offer(sender, outgoing.at_most(granted))
            for session, granted in self._audience(delivery.topic):
                if policy.may_receive(session.record, delivery.device):
                    self._sessions.offer(session, outgoing.at_most(granted))

    def _audience(self, topic: str) -> Audience:
        found = self._audiences.get(topic)
        if found is None:
            highest: dict[Session, int] = {}
            for holders in self._filters.filters_of(topic):
                for session, qos in holders.items():
                    highest[session] = max(qos, highest.get(session, 0))
            if len(self._audiences) >= TOPICS_CACHED:
                self._audiences.clear()
            found = self._audiences[topic] = tuple(highest.items())
        return found

    def send_retained(self, session: Session, topic_filter: str, qos: int) -> Iterator[None]:
        """What a new subscription finds: each message as far as this client may see it now. Yields after each step."""
        for kept in self.retained.matching(topic_filter):
            if kept is not None and self._may_see(session, kept):
                self._sessions.offer(session, Outgoing(kept.topic, kept.payload, min(kept.qos, qos), retain=True))
            yield

    def _may_see(self, session: Session, kept: Kept) -> bool:
        now = self._registry.get(kept.sender.id)
        if now is None or now.organization != kept.sender.organization:
            return False  # the device has been handed on: its new owner sees nothing older, its old owner nothing any more
        return session.record.id == now.id if not session.is_service else policy.may_receive(session.record, now)
