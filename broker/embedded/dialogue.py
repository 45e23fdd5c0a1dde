"""The packets of a live connection that are not hot: subscriptions, the steps of QoS 1 and 2, PINGREQ, DISCONNECT, the will."""

import time
from collections import deque
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import TYPE_CHECKING, cast

from broker import policy
from broker.api import Delivery
from broker.embedded import codec, framing
from broker.embedded.framing import MalformedPacket
from broker.embedded.lanes import AckGroup
from broker.embedded.routes import Resolved
from broker.embedded.subscription_store import Change
from iotsphere import topics
from iotsphere.messages import MAX_PAYLOAD_BYTES

if TYPE_CHECKING:
    from broker.embedded.connection import Connection


class Dialogue:
    """Answers one client."""

    __slots__ = ("_connection", "_engine", "_session", "_work", "will")

    def __init__(self, connection: "Connection") -> None:
        self._connection = connection
        self._engine = connection.engine
        self._session = connection.session
        self._work: deque[Iterator[None]] = deque()  # at most of the packets that wait for the store, and one
        self.will: codec.Will | None = None

    def handle(self, first: int, body: bytes) -> bool:
        """Anything but a PUBLISH; True when it was the last for this turn: it is much work, or the end.

        Raises:
            MalformedPacket: it is not well-formed, or not in its place.
        """
        self._connection.spend()
        most = self._engine.limits.packet_filters
        match first >> 4:
            case framing.PINGREQ:
                _must_be_empty(body)
                self._connection.answer(codec.PINGRESP)
            case framing.PUBACK:
                self._delivered(self._session.outgoing.acknowledged(codec.decode_packet_id(body)))
            case framing.PUBREC:
                self._delivered(self._session.outgoing.received(codec.decode_packet_id(body)))
            case framing.PUBREL:
                self._released(codec.decode_packet_id(body))
            case framing.PUBCOMP:
                self._session.outgoing.completed(codec.decode_packet_id(body))
            case framing.SUBSCRIBE:
                return self._begin(self._subscribe(*codec.decode_subscribe(body, most)))
            case framing.UNSUBSCRIBE:
                return self._begin(self._unsubscribe(*codec.decode_unsubscribe(body, most)))
            case framing.DISCONNECT:
                _must_be_empty(body)
                self._disconnect()
            case _:
                raise MalformedPacket("a second CONNECT")
        return not self._connection.is_live

    def _begin(self, work: Iterator[None]) -> bool:
        self._work.append(work)
        self.go_on()
        return True

    def go_on(self) -> None:
        """Do as much of a large packet's work as a turn may take."""
        if self._work and next(self._work[0], self) is self:
            self._work.popleft()

    @property
    def is_busy(self) -> bool:
        """Whether a large packet's work is not done yet."""
        return len(self._work) > 0

    def _disconnect(self) -> None:
        self.will = None
        self._connection.close("clean")

    def _released(self, packet_id: int) -> None:
        self._session.unreleased.pop(packet_id, None)
        self._connection.answer(codec.encode_ack(codec.PUBCOMP, packet_id))

    def _delivered(self, message: str | None) -> None:
        if message:
            self._engine.listener.on_delivered(self._session.record.id, self._session.epoch, message)

    # ── will ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def take_will(self, will: codec.Will | None) -> None:
        """Keep the will, unless it may not be published: its maker is told at once and not when it is needed."""
        reason = None if will is None else self._will_refusal(will)
        if will is not None and reason is not None:
            self._connection.refuse("acl", f"will: {reason}", will.topic)
        self.will = None if reason else will

    def _will_refusal(self, will: codec.Will) -> str | None:
        if len(will.payload) > MAX_PAYLOAD_BYTES:
            return f"payload over {MAX_PAYLOAD_BYTES} bytes"
        if not topics.is_topic_name(will.topic):
            return policy.NO_SUCH_TOPIC
        resolved = self._connection.routes[will.topic.encode()]
        return resolved if isinstance(resolved, str) else None

    def publish_will(self) -> None:
        """The connection ends without a DISCONNECT: once."""
        will, self.will = self.will, None
        if will is None:
            return
        topic = will.topic.encode()
        name, route, lane = cast("Resolved", self._connection.routes[topic])
        if will.retain:
            self._connection.retain(codec.Publish(topic, will.payload, will.qos))
        group, session = AckGroup(self._connection), self._session
        group.deliveries.append(
            Delivery(session.record, route, name, will.payload, will.qos, True, int(time.time() * 1000), session.epoch)
        )
        group.count, group.size = 1, len(will.payload)
        self._connection.submit(group, lane)

    # ── subscriptions ──────────────────────────────────────────────────────────────────────────────────────────────

    def tell_filters(self) -> None:
        """The filters of a session that was there before are as good as new ones to whoever has something to send."""
        for topic_filter, _ in self._session.filters.items():
            self._engine.listener.on_subscribed(self._session.record, self._session.epoch, topic_filter)

    def _subscribe(self, packet_id: int, wanted: list[tuple[str, int]]) -> Iterator[None]:
        """Yields when the others are to have their turn."""
        self._connection.spend(len(wanted))
        codes, granted, too_many = [], {}, False
        for number, (topic_filter, qos) in enumerate(wanted):
            if number and number % self._engine.limits.turn_filters == 0:
                yield
            reason = self._refusal(topic_filter)
            if reason is None:
                self._engine.fan_out.subscribe(self._session, topic_filter, qos)
                granted[topic_filter] = qos
            else:
                too_many |= self._connection.refuse("acl", f"subscription refused: {reason}", topic_filter)
            codes.append(codec.SUBACK_REFUSED if reason else qos)
        self._keep(granted, codec.encode_suback(packet_id, codes), granted)
        if too_many:
            self._connection.close("protocol")

    def _refusal(self, topic_filter: str) -> str | None:
        session, limits = self._session, self._engine.limits
        most = limits.service_subscriptions if session.is_service else limits.subscriptions
        if len(session.filters) >= most and topic_filter not in session.filters:
            return f"more than {most} subscriptions"
        return policy.may_subscribe(session.record, topic_filter)

    def _unsubscribe(self, packet_id: int, filters: list[str]) -> Iterator[None]:
        self._connection.spend(len(filters))
        for number, topic_filter in enumerate(filters):
            if number and number % self._engine.limits.turn_filters == 0:
                yield
            self._engine.fan_out.unsubscribe(self._session, topic_filter)
        self._keep(dict.fromkeys(filters), codec.encode_ack(codec.UNSUBACK, packet_id), {})

    def _keep(self, change: Change, answer: bytes, granted: Mapping[str, int]) -> None:
        """Answer once the change is certain: a client that was told of its filter need not subscribe again, ever."""
        if self._session.clean or self._session.is_service:
            self._answer(answer, granted)
            return
        self._connection.hold()

        def done() -> None:
            self._connection.let_go()
            self._answer(answer, granted)

        self._engine.subscriptions.change(self._session.record.id, change, done)

    def _answer(self, answer: bytes, granted: Mapping[str, int]) -> None:
        if not self._connection.is_live:
            return
        self._connection.write(answer)
        for topic_filter in granted:
            self._engine.listener.on_subscribed(self._session.record, self._session.epoch, topic_filter)
        if granted and len(self._engine.fan_out.retained):
            self._work.append(self._send_retained(granted))
            self._connection.fall_behind()

    def _send_retained(self, granted: Mapping[str, int]) -> Iterator[None]:
        """Yields when the others are to have their turn."""
        fan_out = self._engine.fan_out
        steps = (fan_out.send_retained(self._session, topic_filter, qos) for topic_filter, qos in granted.items())
        for number, _ in enumerate(chain.from_iterable(steps), 1):
            if number % self._engine.limits.turn == 0:
                yield


def _must_be_empty(body: bytes) -> None:
    if body:
        raise MalformedPacket("a PINGREQ or DISCONNECT with a body")
