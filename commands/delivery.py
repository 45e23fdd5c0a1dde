"""Commands on their way to the devices, and the answers on their way back.

A command is claimed for the session that its device has now, sent, and awaited. The device's next one goes out when it is final,
or parked because the device leaves it unanswered; parallel ones go out at once. One that is claimed for a session that has ended
is claimed again for the next: at least once; the device tells repeats by the id.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial

import asyncpg
import msgspec
import structlog

from commands.command_table import AT_ONCE, Advanced, Claimed, CommandTable, Step
from commands.lifecycle import FINAL, at_expiry
from commands.metrics import CommandMetrics
from commands.news import CommandNews
from iotsphere import topics
from iotsphere.bus import Publisher
from iotsphere.delivery import Delivery, Sender, Sent
from iotsphere.infra.postgres import Patience, wait_out
from iotsphere.infra.worker import Worker
from iotsphere.messages import CommandRequest, CommandResponse
from iotsphere.registry import DeviceRecord
from iotsphere.signals import Signals

log = structlog.get_logger()

Refuse = Callable[[str, str, str, str], None]
"""(device, category, reason, topic): records a refusal; returns at once."""
SWEEP_S = 1.0
NOTE_AFTER_S = 0.02  # an answer that comes within it is noted together with the sending: one statement less
LATER_S = 0.05  # in which devices gather that have probably nothing more to do: a claim less for nearly every command
MESSAGE = "command:"
MAX_DEPTH = 32

_decoder = msgspec.json.Decoder(CommandResponse)


@dataclass(frozen=True, slots=True)
class Mark:
    """What happened to a command in a session and is not noted yet."""

    device: str
    session: int
    sent_at: datetime | None = None
    delivered_at: datetime | None = None

    def after(self, known: "Mark | None") -> "Mark":
        """Both together. Of two sessions only the later counts: a PUBACK of the former says nothing about what is sent now."""
        if known is None or known.session < self.session:
            return self
        if known.session > self.session:
            return known
        return replace(known, sent_at=self.sent_at or known.sent_at, delivered_at=self.delivered_at or known.delivered_at)


@dataclass(frozen=True, slots=True, eq=False)
class Ear:
    """A device that listens to its commands, since one SUBSCRIBE of this session."""

    session: int


class CommandDelivery:
    """Sends what is due to devices that listen, commits their answers, ends what has run out of time.

    Args:
        refuse: records answers that fit no command.
        clock: seconds since the Unix epoch.
    """

    def __init__(
        self,
        pool: "asyncpg.Pool[asyncpg.Record]",
        sender: Sender,
        signals: Signals,
        bus: Publisher,
        refuse: Refuse,
        metrics: CommandMetrics | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._table = CommandTable(pool)
        self._sender, self._refuse, self._clock = sender, refuse, clock
        self._metrics = metrics or CommandMetrics()
        self._news = CommandNews(bus, signals, self._metrics)
        self._listening: dict[str, Ear] = {}  # by device
        self._woken: Worker[str, None] = Worker("command-delivery", self._deliver)
        self._later: Worker[str, None] = Worker("command-later", self._wake_all, pause_s=LATER_S)
        self._marks: Worker[str, Mark] = Worker("command-marks", self._note, pause_s=NOTE_AFTER_S)
        self._settling: dict[str, tuple[asyncio.Future[None], ...]] = {}
        self._sweeper: asyncio.Task[None] | None = None
        self._patience = Patience("commands")

    def start(self) -> None:
        """Begin."""
        self._news.start()
        self._woken.start()
        self._later.start()
        self._marks.start()
        self._sweeper = asyncio.create_task(self._sweep_forever(), name="command-sweep")

    async def stop(self) -> None:
        """Note and tell what has happened, within a bound, then end."""
        if self._sweeper is not None:
            self._sweeper.cancel()
            await asyncio.gather(self._sweeper, return_exceptions=True)
        await self._later.stop(0.0)
        await self._woken.stop()
        await self._marks.stop()
        await self._news.stop()

    # ── to the devices ─────────────────────────────────────────────────────────────────────────────────────────────

    def wake(self, device: str) -> None:
        """Something of this device may be due."""
        if device in self._listening:
            self._woken.put(device, None)

    def on_subscribed(self, device: DeviceRecord, session: int, topic_filter: str) -> None:
        """A device that listens to its commands from now on gets what waits for it."""
        if hears_commands(device, topic_filter):
            self._listening[device.id] = Ear(session)
            self.wake(device.id)

    def on_delivered(self, device: str, session: int, message: str) -> None:
        """The device's PUBACK came, in this session."""
        if acknowledges_command(message):
            self._mark(message.removeprefix(MESSAGE), Mark(device, session, delivered_at=self._now()))

    async def _deliver(self, devices: Mapping[str, None]) -> None:
        ears = {device: self._listening[device] for device in devices if device in self._listening}
        if not ears:
            return
        sessions = {device: ear.session for device, ear in ears.items()}
        claimed = await wait_out(self._patience, lambda: self._table.claim(sessions, self._now()))
        sent = await asyncio.gather(*(self._send(command, ears[command.device]) for command in claimed))
        if corrections := [wrong for wrong in sent if wrong is not None]:
            await wait_out(self._patience, lambda: self._table.reclaim(corrections))
        if len(claimed) >= AT_ONCE:  # there may be more that wait for nothing
            for command in claimed:
                if command.parallel:
                    self.wake(command.device)

    async def _send(self, command: Claimed, ear: Ear) -> tuple[str, int, int | None] | None:
        """Send; returns how the claim must be corrected, None when it is right."""
        try:
            with self._unsettled([command.id]):
                return await self._send_now(command, ear)
        except Exception:  # a defect with one must not keep the others that were claimed with it
            log.exception("a command could not be sent, will be tried again", command=command.id)
            return command.id, command.session, None

    async def _send_now(self, command: Claimed, ear: Ear) -> tuple[str, int, int | None] | None:
        ttl = command.expires_at.timestamp() - self._clock()
        topic = topics.command_request(command.device, command.id)
        result = await self._sender.send(command.device, topic, _request(command), ttl=ttl, message=MESSAGE + command.id)
        if result.sent is Sent.QUEUED:
            self._metrics.queued.inc()
            self._mark(command.id, Mark(command.device, result.session, sent_at=self._now()))
            return None if result.session == command.session else (command.id, command.session, result.session)
        if result.sent is Sent.REFUSED:
            self._metrics.refused.inc()  # the sweep tries again
        else:
            self._metrics.offline.inc()
            if self._listening.get(command.device) is ear:  # else it has subscribed again meanwhile
                del self._listening[command.device]
        return command.id, command.session, None

    def _mark(self, command_id: str, mark: Mark) -> None:
        self._marks.put(command_id, mark.after(self._marks.peek(command_id)))

    async def _note(self, marks: Mapping[str, Mark]) -> None:
        steps = [_marked(Step(id=key, device=mark.device), mark) for key, mark in marks.items()]
        with self._unsettled(marks):
            advanced = await wait_out(self._patience, lambda: self._table.advance(steps, durable=False))
        self._news.put(a for a in advanced if a.changed)

    @contextmanager
    def _unsettled(self, commands: Iterable[str]) -> Iterator[None]:
        """While they are sent, or that they were is noted: an answer that overtook it would take that out of their lives."""
        settled, ids = asyncio.get_running_loop().create_future(), tuple(commands)
        for command in ids:  # in one session it may be noted while it is sent in the next
            self._settling[command] = (*self._settling.get(command, ()), settled)
        try:
            yield
        finally:
            settled.set_result(None)
            for command in ids:
                if left := tuple(other for other in self._settling.pop(command) if other is not settled):
                    self._settling[command] = left

    # ── from the devices ───────────────────────────────────────────────────────────────────────────────────────────

    async def commit(self, batch: Sequence[Delivery]) -> None:
        """Returns when every answer is committed or its refusal recorded. Waits out an absent store; never raises for it."""
        answers = [(delivery, step) for delivery in batch if (step := self._answer(delivery)) is not None]
        await self._until_settled(step.id for _, step in answers)
        for part in _one_per_command(answers):
            steps = [self._with_mark(step) for _, step in part]
            advanced = await wait_out(self._patience, partial(self._table.advance, steps))
            for (delivery, _), outcome in zip(part, advanced, strict=True):
                self._judge(delivery, outcome)
            self._ended(a for a in advanced if a.status == a.step.target)

    async def _until_settled(self, commands: Iterable[str]) -> None:
        for command in commands:
            while unsettled := self._settling.get(command):
                await asyncio.wait(unsettled)

    def _answer(self, delivery: Delivery) -> Step | None:
        try:
            response = _decoder.decode(delivery.payload)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            self._refuse_answer(delivery, f"command response: {error}")
            return None
        if not _is_shallow(response.result):
            self._refuse_answer(delivery, f"command response: result is nested more than {MAX_DEPTH} levels deep")
            return None
        reason = None if response.reason is None else {"code": response.reason.code, "text": response.reason.text}
        return Step(
            id=delivery.route.command_id or "",
            device=delivery.device.id,
            target=response.status,
            at=self._now(),
            actor="device",
            reason=reason,
            result=response.result,
        )

    def _with_mark(self, step: Step) -> Step:
        mark = self._marks.take(step.id)
        return step if mark is None else _marked(step, mark)

    def _judge(self, delivery: Delivery, outcome: Advanced) -> None:
        if outcome.before is None:
            self._refuse_answer(delivery, f"there is no command {outcome.step.id[:64]} of this device")
        elif outcome.status != outcome.step.target:  # the same answer once more is no mistake
            self._refuse_answer(
                delivery, f"command {outcome.step.id} is {outcome.before} and cannot become {outcome.step.target}"
            )
        elif outcome.changed and outcome.status in FINAL:
            self._metrics.seconds.observe(max(0.0, self._clock() - outcome.created_at.timestamp()))

    def _refuse_answer(self, delivery: Delivery, reason: str) -> None:
        self._metrics.answers_refused.inc()
        self._refuse(delivery.device.id, "validation", reason, delivery.topic)

    # ── time ───────────────────────────────────────────────────────────────────────────────────────────────────────

    async def sweep(self) -> None:
        """End what has run out of time, and find what a lost wake or a full window left. Waits out an absent store."""
        await self._end_overdue()
        await self._park_unanswered()
        late = self._now() - timedelta(seconds=SWEEP_S / 2)  # what has just been made is on its way by a wake
        for device in await wait_out(self._patience, lambda: self._table.waiting(late)):
            self.wake(device)

    async def _end_overdue(self) -> None:
        while overdue := await wait_out(self._patience, lambda: self._table.overdue(self._now())):
            now = self._now()
            steps = [self._with_mark(_at_its_end(*row, now)) for row in overdue]
            advanced = await wait_out(self._patience, partial(self._table.advance, steps))
            self._ended(a for a in advanced if a.changed)

    async def _park_unanswered(self) -> None:
        while parked := await wait_out(self._patience, lambda: self._table.park(self._now())):
            self._metrics.parked.inc(len(parked))
            self._news.put(parked)
            for outcome in parked:
                self.wake(outcome.step.device)

    async def _sweep_forever(self) -> None:
        while True:
            await self.sweep()
            await asyncio.sleep(SWEEP_S)

    def _ended(self, outcomes: Iterator[Advanced]) -> None:
        for outcome in outcomes:
            self._news.put([outcome])
            if outcome.status in FINAL:
                self._metrics.finished.labels(outcome.status).inc()
                (self.wake if outcome.others else self._look_later)(outcome.step.device)

    def _look_later(self, device: str) -> None:
        """Mostly nothing is there; what came in this very moment has found the lane held up."""
        self._later.put(device, None)

    async def _wake_all(self, devices: Iterable[str]) -> None:
        for device in devices:
            self.wake(device)

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), UTC)


def hears_commands(device: DeviceRecord, topic_filter: str) -> bool:
    """Whether who subscribes to this filter is a device that listens to its commands."""
    return device.kind != "service" and topics.matches(topic_filter, topics.command_request(device.id, "any"))


def acknowledges_command(message: str) -> bool:
    """Whether the PUBACK of this message is that of a command."""
    return message.startswith(MESSAGE)


def _is_shallow(value: object, levels: int = MAX_DEPTH) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return inner is None or (levels > 0 and all(_is_shallow(item, levels - 1) for item in inner))


def _at_its_end(command_id: str, device: str, status: str, claimed: bool, now: datetime) -> Step:
    target = at_expiry(status, claimed)
    text = "the device did not listen in time" if target == "expired" else "the device did not answer in time"
    return Step(id=command_id, device=device, target=target, at=now, reason={"code": target, "text": text})


def _marked(step: Step, mark: Mark) -> Step:
    return replace(step, session=mark.session, sent_at=mark.sent_at, delivered_at=mark.delivered_at)


def _request(command: Claimed) -> bytes:
    return msgspec.json.encode(
        CommandRequest(
            id=command.id,
            name=command.name,
            params=command.params,
            issued_at=int(command.created_at.timestamp() * 1000),
            expires_at=int(command.expires_at.timestamp() * 1000),
        )
    )


def _one_per_command(answers: Sequence[tuple[Delivery, Step]]) -> Iterator[list[tuple[Delivery, Step]]]:
    """Parts in which each command occurs once, in the order of its answers."""
    parts: list[list[tuple[Delivery, Step]]] = []
    seen: dict[str, int] = {}
    for answer in answers:
        turn = seen.get(answer[1].id, 0)
        seen[answer[1].id] = turn + 1
        if turn == len(parts):
            parts.append([])
        parts[turn].append(answer)
    yield from parts
