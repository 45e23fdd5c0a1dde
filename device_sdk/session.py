"""What a device says and does on the wire, without a socket and without a file.

A shell calls established() once its SUBSCRIBE is granted, then publishes every message that take() gives (QoS 1) and calls
acknowledged() at its PUBACK; it hands in what arrives by received() and runs what next_work() gives. When the outbox is
durable it writes down what ``keeping`` collects (see writer.py). Nothing here waits.
"""

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import msgspec

from device_sdk.changes import Kept
from device_sdk.inbox import Inbox
from device_sdk.keeping import Keeping
from device_sdk.moments import Moments
from device_sdk.outbox import RANK, Batching, Entry, Limits, Priority, Stream
from device_sdk.readings import Encoder, Encoding, Reading, Telemetry, check_moment, check_values, framed
from device_sdk.receipt import Receipt
from device_sdk.shadow import DeviceShadow
from device_sdk.typed import Typed
from device_sdk.wishes import on_the_wire
from iotsphere import topics
from iotsphere.errors import InvalidInput
from iotsphere.messages import MAX_PAYLOAD_BYTES, CommandRequest, CommandResponse, DeviceEvent, ShadowRequest, ShadowUpdate

WINDOW = 64  # messages on their way; the broker reads no more than these before some are committed

LIMITS = Limits()
ONE_BY_ONE = Batching()

LONGEST_NAME, LONGEST_STATUS = 100, 1000  # characters, as the platform takes them

Severity = Literal["info", "warning", "error", "critical"]
SEVERITIES = get_args(Severity)
_encode = msgspec.json.Encoder().encode


@dataclass(slots=True)
class Message:
    """One PUBLISH, QoS 1.

    Attributes:
        acknowledged: what to do at its PUBACK.
    """

    topic: str
    payload: bytes
    acknowledged: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Desired:
    """Work: obey what is desired and not reported yet; ``version`` of the desired section."""

    delta: dict[str, Any]
    version: int = 0


class DeviceSession:
    """One device, from its start to its end, over any number of connections.

    Args:
        device: its id.
        kept: what a durable outbox holds; None for an outbox in memory.
        clock: seconds since the Unix epoch; None for a device without one.
        monotonic: seconds.
        boot: names a new run of sequence numbers.

    Attributes:
        connected: whether a session is up and its subscriptions are granted.
        keeping: what is not acknowledged; the shell writes it down.
        rejected: the platform's last word on a refused shadow request, "" for none.
    """

    def __init__(
        self,
        device: str,
        *,
        limits: Limits = LIMITS,
        batching: Batching = ONE_BY_ONE,
        encoding: Encoding = "json",
        typed: Typed | None = None,
        kept: Kept | None = None,
        clock: Callable[[], float] | None = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        boot: str | None = None,
    ) -> None:
        found = kept or Kept()
        self.device = device
        self.shadow = DeviceShadow()
        self.connected = False
        self.rejected = ""
        self._typed = typed or Typed(None)
        self._batching, self._hasty = batching, replace(batching, seconds=0.0)
        self._patient = True
        self._encoder = Encoder(encoding)
        self._moments = Moments(clock, monotonic)
        # With a clock one run of numbers goes on over restarts. `up` begins anew at each start, and so does the run.
        goes_on = clock is not None and bool(found.boot)
        run = (found.boot, found.seq) if goes_on else (boot or secrets.token_hex(8), 0)
        self.keeping = Keeping(limits, kept, self._moments, *run)
        self._on_the_way = 0
        self._get_due = False
        self._reporters: list[Receipt] = []
        self._delta: dict[str, Any] | None = None
        self._inbox = Inbox(self._respond, self.keeping.note, found.commands, self._moments)
        self._inbox.recover()

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
        self._get_due = True
        self.keeping.connected()

    def disconnected(self) -> None:
        """The connection is gone; what was on its way will be sent again."""
        self.connected = False
        self._on_the_way = 0
        self._get_due = False
        self.keeping.disconnected()
        self.shadow.disconnected()

    def open(self) -> None:
        """The device begins to connect."""
        self._patient = True

    def close(self) -> None:
        """The device is about to end: readings wait no longer for others."""
        self._patient = False

    def abandon(self) -> None:
        """The device has ended: tell everyone who still waits. A durable outbox keeps what is not acknowledged."""
        self.keeping.abandon()
        self._finish_reports(acknowledged=False)

    # ── going out ──────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def backlog(self) -> int:
        """Messages without PUBACK, an outstanding report included."""
        return len(self.keeping) + (not self.shadow.settled)

    @property
    def busy(self) -> bool:
        """Whether something is on its way or will be at once: worth waiting for before a disconnect."""
        return self.connected and bool(len(self.keeping) or self.shadow.report_due or self.shadow.report_on_its_way)

    @property
    def has_outgoing(self) -> bool:
        """Whether take() has something."""
        if not self.connected or self._on_the_way >= WINDOW:
            return False
        return self._get_due or self.shadow.report_due or self.keeping.waiting(self._batch)

    @property
    def next_due(self) -> float | None:
        """Seconds until take() has something although nothing happens; None for never."""
        return self.keeping.next_due(self._batch) if self.connected and self._on_the_way < WINDOW else None

    @property
    def _batch(self) -> Batching:
        return self._batching if self._patient else self._hasty

    def take(self) -> Message | None:
        """The next message to publish, or None: the shadow first, then what was dropped, then the outbox in its order."""
        if not self.has_outgoing:
            return None
        self._on_the_way += 1
        if self._get_due:
            self._get_due = False
            return Message(topics.shadow(self.device, "get"), _encode(ShadowRequest()), _nothing)
        if self.shadow.report_due:
            update = ShadowUpdate(state={"reported": self.shadow.take_report()})
            return Message(topics.shadow(self.device, "update"), _encode(update), self._report_acknowledged)
        if (gap := self.keeping.take_gap()) is not None:
            return Message(topics.telemetry(self.device), self._encoder.lost(*gap), lambda: self.keeping.told(gap))
        entries = self.keeping.take(self._batch)
        payload = framed(entries) if entries[0].count else entries[0].body
        return Message(entries[0].topic, payload, lambda: self.keeping.acknowledged(entries))

    def acknowledged(self, message: Message) -> None:
        """The PUBACK of a message that this connection's take() gave."""
        self._on_the_way -= 1
        message.acknowledged()

    def _report_acknowledged(self) -> None:
        self.shadow.report_acknowledged()
        if self.shadow.settled:
            self._finish_reports(acknowledged=True)

    def _finish_reports(self, *, acknowledged: bool) -> None:
        reporters, self._reporters = self._reporters, []
        for receipt in reporters:
            receipt._acknowledged() if acknowledged else receipt._gone()

    # ── handed over by the device's program ────────────────────────────────────────────────────────────────────────

    def publish(self, readings: Sequence[Reading], receipt: Receipt | None = None, priority: Priority = "normal") -> None:
        """Queue readings.

        Raises:
            InvalidInput: no reading, one that is no finite number or of no moment, or one that the device type does not declare.
        """
        if not readings:
            raise InvalidInput("readings", "must hold at least one")
        rank = _rank(priority)
        for reading in readings:
            check_values(reading.values)
            if reading.ts is not None:
                check_moment(reading.ts)
            self._typed.check_values(reading.values)
        for entry in self._entries(readings, rank):
            self.keeping.keep(entry, receipt)

    def _entries(self, readings: Sequence[Reading], rank: int) -> list[Entry]:
        """All are checked before the first is kept, and before a number is given out."""
        boot, first, topic = self.keeping.boot, self.keeping.seq + 1, topics.telemetry(self.device)
        entries: list[Entry] = []
        objects = [self._telemetry(reading, first + n) for n, reading in enumerate(readings)]
        for body, count in self._encoder.bodies(objects):
            entries.append(_checked(Entry(Stream.READING, topic, body, rank, boot=boot, seq=first, count=count)))
            first += count
        self.keeping.seq += len(readings)
        return entries

    def _telemetry(self, reading: Reading, seq: int) -> Telemetry:
        if reading.ts is not None:
            return Telemetry(reading.ts, dict(reading.values), seq, self.keeping.boot)
        ts, up = self._moments.now()
        return Telemetry(ts, dict(reading.values), seq, self.keeping.boot, up)

    def event(
        self,
        name: str,
        severity: Severity = "info",
        data: Mapping[str, Any] | None = None,
        receipt: Receipt | None = None,
        priority: Priority = "normal",
    ) -> None:
        """Queue an event.

        Raises:
            InvalidInput: a bad name, another severity, or too large.
        """
        if not 0 < len(name) <= LONGEST_NAME or not name.isprintable():
            raise InvalidInput("name", f"must be 1 to {LONGEST_NAME} printable characters")
        if severity not in SEVERITIES:
            raise InvalidInput("severity", f"must be one of {', '.join(SEVERITIES)}")
        body = DeviceEvent(name=name, severity=severity, ts=self._moments.now()[0], data=dict(data) if data else None)
        self.keeping.keep(_checked(Entry(Stream.EVENT, topics.event(self.device), _encode(body), _rank(priority))), receipt)

    def status(self, text: str, receipt: Receipt | None = None) -> None:
        """Queue the device's own status text.

        Raises:
            InvalidInput: empty or too long.
        """
        if not 0 < len(text) <= LONGEST_STATUS:
            raise InvalidInput("status", f"must be 1 to {LONGEST_STATUS} characters")
        self.keeping.keep(Entry(Stream.EVENT, topics.status(self.device), text.encode(), RANK["normal"]), receipt)

    def report(self, properties: Mapping[str, Any], receipt: Receipt | None = None, version: int | None = None) -> None:
        """Report properties to the shadow; None deletes one, a WishAnswer answers what is desired of it.

        Args:
            version: of the desired section that is answered; the newest that is known when None.

        Raises:
            InvalidInput: the device type declares no such property, or another kind of value.
        """
        version = self.shadow.desired_version if version is None else version
        self._typed.check_report(on_the_wire(properties, version, {}))  # what it holds already is no fault of the caller's
        self.shadow.report(on_the_wire(properties, version, self.shadow.held))
        if receipt is None:
            return
        receipt._expect()
        receipt._kept()
        self._reporters.append(receipt)
        if self.shadow.settled:
            self._finish_reports(acknowledged=True)

    # ── coming in ──────────────────────────────────────────────────────────────────────────────────────────────────

    def received(self, topic: str, payload: bytes) -> None:
        """A message arrived. A malformed one is noted in ``rejected``: a device must outlive its platform's defects."""
        if (command_id := topics.command_id_of_request(topic)) is not None:
            self._inbox.received(command_id, payload)
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
            case ["shadow", _, "rejected"]:
                self._note_rejection(document)
        if delta is not None:
            self._delta = delta  # cumulative: a later one replaces it

    def _note_rejection(self, document: dict[str, Any]) -> None:
        if document["code"] != 404:
            self.rejected = f"{document['code']} {document['message']}"

    def _respond(self, command_id: str, response: bytes) -> None:
        topic = topics.command_response(self.device, command_id)
        self.keeping.keep(Entry(Stream.ANSWER, topic, response, RANK["high"]), None)

    # ── work ───────────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def has_work(self) -> bool:
        """Whether next_work() has something."""
        return self._delta is not None or self._inbox.ready

    def next_work(self) -> Desired | CommandRequest | None:
        """What the device's program has to do next; run one at a time."""
        if self._delta is not None:
            work, self._delta = Desired(self._delta, self.shadow.desired_version), None
            return work
        return self._inbox.next()

    def answer(self, command_id: str, response: CommandResponse) -> None:
        """The final answer to a command that next_work() gave; it is repeated whenever the request comes again."""
        self._inbox.answered(command_id, response)


def _nothing() -> None:
    """At the PUBACK of a question."""


def _rank(priority: Priority) -> int:
    if priority not in RANK:
        raise InvalidInput("priority", f"must be one of {', '.join(RANK)}")
    return RANK[priority]


def _checked(entry: Entry) -> Entry:
    if len(entry.body) > MAX_PAYLOAD_BYTES:
        raise InvalidInput(entry.topic.rpartition("/")[2], f"is {len(entry.body)} bytes; {MAX_PAYLOAD_BYTES} are allowed")
    return entry
