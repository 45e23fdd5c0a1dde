"""Publishing, writing, failing, sending, losing the connection, being killed, in any order, against what must hold in the end."""

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from device_sdk.journal import Journal, OutboxUnavailable
from device_sdk.outbox import Limits, Policy
from device_sdk.readings import Reading
from device_sdk.receipt import Receipt, State
from device_sdk.session import DeviceSession, Message
from iotsphere import topics

pytestmark = pytest.mark.integration
ROOM = 6
POLICIES: list[Policy] = ["drop_oldest", "drop_newest", "by_priority"]


class Device(RuleBasedStateMachine):
    """A device, its disk, and a platform that remembers everything.

    Attributes:
        committed: value by sequence number.
        told: numbers that the device has declared lost.
        receipts: of every reading by its value; those of a killed device say what they said last.
    """

    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.TemporaryDirectory()
        self.committed: dict[int, float] = {}
        self.told: set[int] = set()
        self.receipts: dict[int, Receipt] = {}
        self.flying: list[Message] = []
        self.values = 0

    @initialize(policy=st.sampled_from(POLICIES))
    def begin(self, policy: Policy) -> None:
        self.policy = policy
        self.start()

    def start(self) -> None:
        self.journal = Journal(Path(self.directory.name) / "d.outbox", "d", "normal")
        limits = Limits(messages=ROOM, policy=self.policy)
        self.session = DeviceSession("d", kept=self.journal.load(), limits=limits)

    @rule(count=st.integers(1, 3), priority=st.sampled_from(["low", "normal", "high"]))
    def publish(self, count: int, priority: Any) -> None:
        for _ in range(count):
            self.values += 1
            self.receipts[self.values] = receipt = Receipt()
            self.session.publish([Reading({"x": self.values})], receipt, priority)

    @rule(well=st.sampled_from([True, True, True, False]))
    def write(self, well: bool) -> None:
        changes = self.session.keeping.begin_write()
        if changes is not None:
            error = self.journal.attempt(changes) if well else OutboxUnavailable("full")
            self.session.keeping.settle(changes, error)

    @rule()
    def die_while_writing(self) -> None:
        """All of it is on the disk, and nobody has heard of it."""
        changes = self.session.keeping.begin_write()
        if changes is not None:
            self.journal.attempt(changes)
        self.kill()

    @rule()
    def kill(self) -> None:
        self.journal.close()
        self.flying.clear()
        self.start()

    @precondition(lambda self: not self.session.connected)
    @rule()
    def connect(self) -> None:
        self.session.established()

    @precondition(lambda self: self.session.connected)
    @rule()
    def lose_the_connection(self) -> None:
        self.flying.clear()
        self.session.disconnected()

    @rule(count=st.integers(1, 4))
    def send(self, count: int) -> None:
        for _ in range(count):
            if (message := self.session.take()) is not None:
                self.arrived(message)
                self.flying.append(message)

    @rule(count=st.integers(1, 4))
    def acknowledge(self, count: int) -> None:
        for message in self.flying[:count]:
            self.session.acknowledged(message)
        del self.flying[:count]

    def arrived(self, message: Message) -> None:
        if message.topic != topics.telemetry("d"):
            return
        body = json.loads(message.payload)
        if "dropped" in body:
            first, last = body["dropped"]
            self.told |= set(range(first, last + 1))
        else:
            known = self.committed.setdefault(body["seq"], body["values"]["x"])
            assert known == body["values"]["x"], "a number was given to two readings"

    @invariant()
    def what_is_acknowledged_has_arrived(self) -> None:
        here = set(self.committed.values())
        assert all(value in here for value, r in self.receipts.items() if r.state is State.ACKNOWLEDGED)

    def teardown(self) -> None:
        if not hasattr(self, "session"):
            return
        self.write(True)
        if not self.session.connected:
            self.connect()
        for _ in range(self.values + ROOM):  # more than enough
            self.send(4)
            self.acknowledge(4)
            self.write(True)
        assert not self.session.backlog
        here = set(self.committed.values())
        lost = [value for value, r in self.receipts.items() if r.state is State.KEPT and value not in here]
        numbers = set(range(1, self.session.keeping.seq + 1))
        self.journal.close()
        self.directory.cleanup()
        assert not self.unaccounted(lost), "publish() had taken it, and nobody was told that it is gone"
        assert numbers <= self.committed.keys() | self.told, "a number is neither there nor declared lost"

    def unaccounted(self, lost: list[int]) -> bool:
        """A later run may have had to drop what a killed one had taken: then so many numbers are declared lost."""
        return len(lost) > len(self.told - self.committed.keys())


TestDevice = Device.TestCase
TestDevice.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
