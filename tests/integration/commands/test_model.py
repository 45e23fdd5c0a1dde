"""Any course of events against a simple model: two processes deliver, devices come and go, answers are late or repeated."""

import asyncio
import itertools
import time
from dataclasses import dataclass, field
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from commands.delivery import CommandDelivery
from commands.lifecycle import ANSWERED, FINAL, MAX_ATTEMPTS, OPEN, UNANSWERED, may_become
from commands.service import CommandService
from commands.view import CommandView
from iotsphere import topics
from iotsphere.bus import MemoryBus
from iotsphere.errors import Conflict
from iotsphere.infra.postgres import Pool, make_pool
from iotsphere.signals import EDGE_COMMAND, MemorySignals
from tests.integration.commands.parts import KILN
from tests.support.deliveries import add_devices, delivery, record
from tests.support.recording_sender import Message, RecordingSender

pytestmark = pytest.mark.integration
LONG_S = 100.0
numbers = itertools.count(1)


@dataclass
class Expected:
    """What the model knows of a command."""

    id: str
    device: str
    parallel: bool
    expires_at: float
    status: str = "queued"
    sessions: list[int] = field(default_factory=list)  # that it was sent in
    answer_by: float = 0.0
    parked: bool = False
    acknowledged: set[int] = field(default_factory=set)

    @property
    def open(self) -> bool:
        return self.status in OPEN

    def holds_up(self, session: int) -> bool:
        """Whether others of its lane wait for it in this session."""
        here = session in self.sessions
        return self.open and not self.parallel and (not self.parked if here else len(self.sessions) < MAX_ATTEMPTS)


class Courses(RuleBasedStateMachine):
    """The rules are what can happen; ``settle`` lets the product finish, then the model follows what was sent."""

    pool: Pool
    runner: asyncio.Runner

    def __init__(self) -> None:
        super().__init__()
        self.now = time.time()
        self.commands: dict[str, Expected] = {}
        self.sessions: dict[str, int] = {}
        self.devices = [f"d{next(numbers)}" for _ in range(2)]
        self.sender, self.signals = RecordingSender(), MemorySignals()
        self.refused: list[Any] = []
        self.seen = 0
        self.runner.run(self._begin())

    async def _begin(self) -> None:
        await add_devices(self.pool, *self.devices)
        self.service = CommandService(self.pool, self.signals, MemoryBus(), {"kiln": KILN}, lambda: self.now)
        self._start_edges()

    def _start_edges(self) -> None:
        self.edges = [
            CommandDelivery(
                self.pool, self.sender, self.signals, MemoryBus(), lambda *refusal: self.refused.append(refusal),
                clock=lambda: self.now,
            )
            for _ in range(2)
        ]  # fmt: skip
        self.signals._handlers[EDGE_COMMAND] = [edge.wake for edge in self.edges]
        for edge in self.edges:
            edge._marks._pause_s = 0.0
            edge.start()

    async def _kill_edges(self) -> None:
        """Without a word: nothing is noted any more."""
        tasks = [
            task
            for edge in self.edges
            for task in (edge._woken._task, edge._marks._task, edge._news._worker._task, edge._sweeper)
        ]
        for task in tasks:
            assert task is not None
            task.cancel()
        await asyncio.gather(*(task for task in tasks if task is not None), return_exceptions=True)

    def settle(self) -> None:
        self.runner.run(self._settle())
        for message in self.sender.sent[self.seen :]:
            self._was_sent(message)
        self.seen = len(self.sender.sent)

    async def _settle(self) -> None:
        calm = 0
        async with asyncio.timeout(30):
            while calm < 3:
                await asyncio.sleep(0.001)
                workers = [worker for edge in self.edges for worker in (edge._woken, edge._marks)]
                calm = calm + 1 if all(not len(worker) and worker._idle.is_set() for worker in workers) else 0

    def _was_sent(self, message: Message) -> None:
        command, session = self.commands[message.body["id"]], self.sessions[message.device]
        assert command.device == message.device
        assert command.open, "what has ended is not sent"
        assert self.now < command.expires_at, "what has expired is not sent"
        assert session not in command.sessions, "once in each session"
        assert len(command.sessions) < MAX_ATTEMPTS
        if not command.parallel:
            assert not any(other.holds_up(session) for other in self.before(command)), "one after the other"
        command.sessions.append(session)
        command.answer_by, command.parked = self.now + 10.0, False
        if command.status in UNANSWERED:
            command.status = "sent"

    def of(self, device: str) -> list[Expected]:
        return [command for command in self.commands.values() if command.device == device]

    def before(self, command: Expected) -> list[Expected]:
        """The device's earlier ones."""
        return list(itertools.takewhile(lambda other: other is not command, self.of(command.device)))

    def any_command(self, data: st.DataObject) -> Expected:
        return self.commands[data.draw(st.sampled_from(list(self.commands)), label="command")]

    @rule(data=st.data(), name=st.sampled_from(["fire", "fire", "blink"]), timeout=st.sampled_from([1.0, LONG_S]))
    def give(self, data: st.DataObject, name: str, timeout: float) -> None:
        device = data.draw(st.sampled_from(self.devices), label="device")
        made = self.runner.run(
            self.service.create(
                device, "kiln", "default", name, {"to": 9} if name == "fire" else {}, actor="ann", timeout_s=timeout
            )
        )
        self.commands[made.id] = Expected(made.id, device, name == "blink", made.expires_at.timestamp())
        self.now += 0.001  # the order of giving is the order of time
        self.settle()

    @rule(data=st.data())
    def connect(self, data: st.DataObject) -> None:
        device = data.draw(st.sampled_from(self.devices), label="device")
        self.sessions[device] = session = next(numbers)
        self.sender.connect(device, session)
        self.runner.run(self._subscribed(device, session))
        self.settle()

    async def _subscribed(self, device: str, session: int) -> None:
        for edge in self.edges:
            edge.on_subscribed(record(device), session, topics.command_request_filter(device))

    @precondition(lambda self: self.sessions)
    @rule(data=st.data())
    def disconnect(self, data: st.DataObject) -> None:
        device = data.draw(st.sampled_from(sorted(self.sessions)), label="device")
        del self.sessions[device]
        self.sender.disconnect(device)

    @precondition(lambda self: self.sender.sent)
    @rule(data=st.data(), edge=st.integers(0, 1), crash=st.sampled_from([False, False, False, True]))
    def acknowledge(self, data: st.DataObject, edge: int, crash: bool) -> None:
        """Perhaps long after the session has ended; and perhaps the process dies before it is noted."""
        message = data.draw(st.sampled_from(self.sender.sent), label="message")
        command = self.commands[message.body["id"]]
        session = data.draw(st.sampled_from(command.sessions), label="session")
        command.acknowledged.add(session)
        counts = command.status == "sent" and session == command.sessions[-1]
        self.runner.run(self._acknowledged(self.edges[edge], message, session))
        if crash:
            self.crash()
            noted = self.runner.run(self._view(command.id)).status
            assert noted in ({"sent", "delivered"} if counts else {command.status})
            command.status = noted
        elif counts:
            command.status = "delivered"
        self.settle()

    async def _acknowledged(self, edge: CommandDelivery, message: Message, session: int) -> None:
        edge.on_delivered(message.device, session, message.message)

    @precondition(lambda self: self.commands)
    @rule(data=st.data(), edge=st.integers(0, 1), status=st.sampled_from(["in_progress", *sorted(ANSWERED)]))
    def answer(self, data: st.DataObject, edge: int, status: str) -> None:
        """In time, late, once more, or to something that was taken back meanwhile."""
        command = self.any_command(data)
        refused = len(self.refused)
        given = delivery(topics.command_response(command.device, command.id), {"status": status})
        self.runner.run(self.edges[edge].commit([given]))
        if may_become(command.status, status):
            command.status = status
            assert len(self.refused) == refused
        else:
            assert len(self.refused) == refused + (command.status != status)
        self.settle()

    @precondition(lambda self: self.commands)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        command = self.any_command(data)
        try:
            self.runner.run(self.service.cancel(command.id, "bob"))
            assert command.open
            command.status = "cancelled"
        except Conflict:
            assert not command.open
        self.settle()

    @rule(seconds=st.sampled_from([0.5, 2.0, 11.0, LONG_S]))
    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        for command in self.commands.values():
            if command.open and command.expires_at <= self.now:
                command.status = "timed_out" if command.sessions or command.status == "in_progress" else "expired"
            elif command.status in UNANSWERED and command.sessions and not command.parallel and command.answer_by <= self.now:
                command.parked = True
        for edge in self.edges:
            self.runner.run(edge.sweep())
        self.settle()

    @rule()
    def crash(self) -> None:
        """Both processes die, and with them all sessions; others take their place."""
        self.runner.run(self._kill_edges())
        self.sessions.clear()
        self.sender.sessions.clear()
        self.runner.run(self._restart())
        self.settle()

    async def _restart(self) -> None:
        self._start_edges()

    async def _view(self, command: str) -> CommandView:
        view = await self.service.get(command)
        assert view is not None
        return view

    @invariant()
    def every_command_is_what_the_model_says(self) -> None:
        for command in self.commands.values():
            view = self.runner.run(self._view(command.id))
            assert view.status == command.status
            assert (view.attempts, view.parked) == (len(command.sessions), command.parked and command.status in UNANSWERED)
            life = [step.status for step in view.transitions]
            assert life[0] == "queued"
            assert life[-1] == view.status
            assert all(may_become(*pair) for pair in itertools.pairwise(life))
            assert sum(status in FINAL - {"timed_out"} for status in life) <= 1, "one end"
            assert {step.session for step in view.transitions if step.status == "delivered"} <= command.acknowledged

    @invariant()
    def what_is_due_is_sent(self) -> None:
        for device, session in self.sessions.items():
            for command in self.of(device):
                due = command.open and self.now < command.expires_at and len(command.sessions) < MAX_ATTEMPTS
                if due and session not in command.sessions:
                    assert not command.parallel
                    assert any(other.holds_up(session) for other in self.before(command))

    def teardown(self) -> None:
        """With time enough, and nobody there, all comes to an end."""
        self.sessions.clear()
        self.sender.sessions.clear()
        self.pass_time(2 * LONG_S)
        self.every_command_is_what_the_model_says()
        assert not any(command.open for command in self.commands.values())
        self.runner.run(self._kill_edges())


def test_any_course_of_events(migrated_dsn: str) -> None:
    with asyncio.Runner() as runner:
        pool = runner.run(make_pool(migrated_dsn, name="test"))
        machine = type("Machine", (Courses,), {"pool": pool, "runner": runner})
        run_state_machine_as_test(
            machine,  # type: ignore[arg-type]
            settings=settings(
                phases=[Phase.generate],  # to shrink takes minutes: add Phase.shrink when it has failed
                max_examples=15,
                stateful_step_count=30,
                deadline=None,
                suppress_health_check=list(HealthCheck),
                derandomize=True,
            ),
        )
        runner.run(pool.close())
