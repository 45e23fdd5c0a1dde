"""What a device says and does on the wire, without a socket: a shell brings messages in, takes messages out and keeps time.

A shell calls established() once its SUBSCRIBE is granted, then publishes every message that take() gives (QoS 1) and calls
acknowledged() at its PUBACK; it hands in what arrives by received() and runs what next_work() gives. Nothing here waits.
"""

import math
import secrets
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from device_sdk.outbox import Done, Gaps, MemoryOutbox, Message, Outbox
from device_sdk.shadow import DeviceShadow
from iotsphere import topics
from iotsphere.errors import InvalidInput
from iotsphere.messages import CommandRequest, CommandResponse, DeviceEvent, Reason, ShadowRequest, ShadowUpdate

WINDOW = 32  # messages on their way; the broker stops reading at 64
URGENT = 1000  # answers, events and status texts kept; policy: drop_oldest
WORK = 32  # commands that wait for their handler; policy: reject as busy
REMEMBERED = 1000  # commands whose answer is kept in case the request comes again; policy: forget the oldest
TELEMETRY = 10_000  # telemetry messages kept unless told otherwise

Severity = Literal["info", "warning", "error", "critical"]
_encode = msgspec.json.Encoder().encode
_request = msgspec.json.Decoder(CommandRequest).decode


class Telemetry(msgspec.Struct, omit_defaults=True):
    """One telemetry message; ``ts`` in ms, ``seq`` counts since ``boot``, ``dropped`` is a range of it that went missing."""

    ts: float
    values: dict[str, float]
    seq: int
    boot: str
    dropped: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Desired:
    """Work: obey what is desired and not reported yet."""

    delta: dict[str, Any]


class DeviceSession:
    """One device, from its start to its end, over any number of connections.

    Args:
        device: its id.
        outbox: keeps telemetry; a MemoryOutbox unless given.
        clock: seconds since the Unix epoch.
        boot: names this run of the device; sequence numbers count within it.

    Attributes:
        connected: whether a session is up and its subscriptions are granted.
        dropped: messages that had to go because the outbox was full.
        rejected: the platform's last word on a refused shadow update, "" for none.
    """

    def __init__(
        self,
        device: str,
        *,
        outbox: Outbox | None = None,
        clock: Callable[[], float] = time.time,
        boot: str | None = None,
    ) -> None:
        self.device = device
        self.shadow = DeviceShadow()
        self.connected = False
        self.dropped = 0
        self.rejected = ""
        self._clock = clock
        self._boot = boot or secrets.token_hex(8)
        self._telemetry: Outbox = outbox if outbox is not None else MemoryOutbox(TELEMETRY)
        self._urgent: Outbox = MemoryOutbox(URGENT)
        self._gaps = Gaps()
        self._seq = 0
        self._last_ts = 0.0
        self._on_the_way = 0
        self._get: Message | None = None
        self._reporters: list[Done] = []
        self._work: deque[CommandRequest] = deque()
        self._delta: dict[str, Any] | None = None
        self._answers: OrderedDict[str, CommandResponse | None] = OrderedDict()

    # ── the connection ─────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def subscriptions(self) -> list[str]:
        """The filters to subscribe to at every connect, QoS 1."""
        return [
            topics.command_request_filter(self.device),
            topics.shadow_reply(self.device, "get", "accepted"),
            topics.shadow_reply(self.device, "get", "rejected"),
            topics.shadow_reply(self.device, "update", "delta"),
            topics.shadow_reply(self.device, "update", "documents"),
            topics.shadow_reply(self.device, "update", "rejected"),
        ]

    def established(self) -> None:
        """The subscriptions are granted: read the shadow again and send what has waited."""
        self.connected = True
        self._get = Message(topics.shadow(self.device, "get"), ShadowRequest())

    def disconnected(self) -> None:
        """The connection is gone; what was on its way will be sent again."""
        self.connected = False
        self._on_the_way = 0
        self._get = None
        for outbox in (self._urgent, self._telemetry):
            outbox.reconnected()
        self.shadow.disconnected()

    def close(self) -> None:
        """The device ends: tell everyone who still waits that it is over."""
        for outbox in (self._urgent, self._telemetry):
            for message in outbox:
                message.finish(False)
        self._finish_reports(False)

    # ── going out ──────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def backlog(self) -> int:
        """Messages without PUBACK, an outstanding report included."""
        return len(self._urgent) + len(self._telemetry) + (not self.shadow.settled)

    @property
    def busy(self) -> bool:
        """Whether something is on its way or will be at once: worth waiting for before a disconnect."""
        waits = len(self._urgent) or len(self._telemetry) or self.shadow.report_due or self.shadow.report_on_its_way
        return self.connected and bool(waits)

    @property
    def has_outgoing(self) -> bool:
        """Whether take() has something."""
        if not self.connected or self._on_the_way >= WINDOW:
            return False
        return self._get is not None or self.shadow.report_due or self._urgent.waiting or self._telemetry.waiting

    def take(self) -> Message | None:
        """The next message to publish, or None: the shadow first, then answers and events, then telemetry."""
        if not self.has_outgoing:
            return None
        self._on_the_way += 1
        return self._next()

    def _next(self) -> Message | None:
        if self._get is not None:
            message, self._get = self._get, None
            return message
        if (urgent := self._urgent.take()) is not None:
            return urgent
        if self.shadow.report_due:
            return Message(topics.shadow(self.device, "update"), ShadowUpdate(state={"reported": self.shadow.take_report()}))
        if (reading := self._telemetry.take()) is not None and reading.body.dropped is None:
            reading.body.dropped = self._gaps.pop()
        return reading

    def payload(self, message: Message) -> bytes:
        """What to publish."""
        return message.body if isinstance(message.body, bytes) else _encode(message.body)

    def acknowledged(self, message: Message) -> None:
        """The PUBACK of a message that this connection's take() gave."""
        self._on_the_way -= 1
        if message.outbox is not None:
            message.outbox.acknowledged(message)
        elif isinstance(message.body, ShadowUpdate):
            self.shadow.report_acknowledged()
            if self.shadow.settled:
                self._finish_reports(True)
        message.finish(True)

    def _finish_reports(self, acknowledged: bool) -> None:
        reporters, self._reporters = self._reporters, []
        for done in reporters:
            done(acknowledged)

    def publish(self, values: Mapping[str, float], ts: float | None = None, done: Done | None = None) -> None:
        """Queue readings; ``ts`` in ms since the Unix epoch, now when absent.

        Raises:
            InvalidInput: no reading, or one that is no finite number.
        """
        if not values:
            raise InvalidInput("values", "must hold at least one measurement")
        for name, value in values.items():
            if not isinstance(value, int | float) or not math.isfinite(value):
                raise InvalidInput(f"values.{name}", "must be a finite number; text belongs in report() or event()")
        self._seq += 1
        body = Telemetry(self._now() if ts is None else ts, dict(values), self._seq, self._boot)
        self._keep(self._telemetry, Message(topics.telemetry(self.device), body, done))

    def _now(self) -> float:
        # Two readings of one instant would be one key to the store: the later one is moved by a microsecond.
        now = round(self._clock() * 1000, 3)
        if 0 <= self._last_ts - now < 1:
            now = round(self._last_ts + 0.001, 3)
        self._last_ts = now
        return now

    def event(
        self, name: str, severity: Severity = "info", data: Mapping[str, Any] | None = None, done: Done | None = None
    ) -> None:
        """Queue an event."""
        body = DeviceEvent(name=name, severity=severity, ts=self._now(), data=dict(data) if data else None)
        self._keep(self._urgent, Message(topics.event(self.device), body, done))

    def status(self, text: str, done: Done | None = None) -> None:
        """Queue the device's own status text."""
        self._keep(self._urgent, Message(topics.status(self.device), text.encode(), done))

    def report(self, properties: Mapping[str, Any], done: Done | None = None) -> None:
        """Report properties to the shadow; None deletes one."""
        self.shadow.report(properties)
        if done is None:
            return
        self._reporters.append(done)
        if self.shadow.settled:
            self._finish_reports(True)

    def _keep(self, outbox: Outbox, message: Message) -> None:
        gone = outbox.add(message)
        if gone is None:
            return
        self.dropped += 1
        if isinstance(gone.body, Telemetry):
            self._gaps.add(gone.body.seq, gone.body.seq)
            if gone.body.dropped is not None:
                self._gaps.add(*gone.body.dropped)
        gone.finish(False)

    # ── coming in ──────────────────────────────────────────────────────────────────────────────────────────────────

    def received(self, topic: str, payload: bytes) -> None:
        """A message arrived. A malformed one is noted in ``rejected``: a device must outlive its platform's defects."""
        if (command_id := topics.command_id_of_request(topic)) is not None:
            self._command(command_id, payload)
            return
        try:
            document = msgspec.json.decode(payload)
            self._shadow(topic, document)
        except (msgspec.DecodeError, KeyError, TypeError, AttributeError) as error:
            self.rejected = f"unreadable message on {topic}: {error}"

    def _shadow(self, topic: str, document: dict[str, Any]) -> None:
        delta = None
        match topic.split("/")[3:]:
            case ["shadow", "get", "accepted"]:
                delta = self.shadow.got(document)
            case ["shadow", "get", "rejected"]:
                self.shadow.unread(absent=document["code"] == 404)
                self._note_rejection(document)
            case ["shadow", "update", "delta"]:
                delta = self.shadow.delta(document)
            case ["shadow", "update", "documents"]:
                self.shadow.documents(document)
            case ["shadow", "update", "accepted"]:
                self.shadow.accepted(document)
            case ["shadow", _, "rejected"]:
                self._note_rejection(document)
        if delta is not None:
            self._delta = delta  # cumulative: a later one replaces it

    def _note_rejection(self, document: dict[str, Any]) -> None:
        if document["code"] != 404:
            self.rejected = f"{document['code']} {document['message']}"

    def _command(self, command_id: str, payload: bytes) -> None:
        if command_id in self._answers:
            self._answer_again(command_id)
            return
        try:
            request = _request(payload)
        except msgspec.DecodeError as error:
            self._reject(command_id, "malformed", str(error))
            return
        if request.id != command_id:
            self._reject(command_id, "malformed", f"the id {request.id} is not the topic's")
        elif request.expires_at <= self._clock() * 1000:
            self._reject(command_id, "expired", "it came after its time")
        elif len(self._work) >= WORK:
            self._reject(command_id, "busy", f"{WORK} commands wait already")
        else:
            self._remember(command_id, None)
            self._work.append(request)

    def _answer_again(self, command_id: str) -> None:
        self._respond(command_id, self._answers[command_id] or CommandResponse(status="in_progress"))

    def _reject(self, command_id: str, code: str, text: str) -> None:
        self._respond(command_id, CommandResponse(status="rejected", reason=Reason(code, text)))

    def _respond(self, command_id: str, response: CommandResponse) -> None:
        self._keep(self._urgent, Message(topics.command_response(self.device, command_id), response))

    def _remember(self, command_id: str, response: CommandResponse | None) -> None:
        self._answers[command_id] = response
        if len(self._answers) > REMEMBERED:
            self._answers.popitem(last=False)

    # ── work ───────────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def has_work(self) -> bool:
        """Whether next_work() has something."""
        return self._delta is not None or bool(self._work)

    def next_work(self) -> Desired | CommandRequest | None:
        """What the device's program has to do next; run one at a time. A command may have expired while it waited."""
        if self._delta is not None:
            work, self._delta = Desired(self._delta), None
            return work
        while self._work:
            request = self._work.popleft()
            if request.expires_at > self._clock() * 1000:
                return request
            self.answer(
                request.id, CommandResponse(status="rejected", reason=Reason("expired", "it waited too long on the device"))
            )
        return None

    def answer(self, command_id: str, response: CommandResponse) -> None:
        """The final answer to a command that next_work() gave; it is repeated whenever the request comes again."""
        self._remember(command_id, response)
        self._respond(command_id, response)
