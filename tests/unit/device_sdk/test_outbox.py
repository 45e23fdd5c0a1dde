"""Room, order and turns."""

from typing import Any

import pytest

from device_sdk.outbox import OVERHEAD, Batching, Entry, Limits, Outbox, Stream
from iotsphere.errors import InvalidInput

ONE = Batching()


class Box:
    """An outbox whose messages are letters; upper-case ones are events."""

    def __init__(self, **limits: Any) -> None:
        self.outbox = Outbox(Limits(**limits))
        self.number = 0

    def put(self, name: str, rank: int = 1, at: float = 0.0) -> str:
        """Names of those that had to go."""
        self.number += 1
        stream, count = (Stream.EVENT, 0) if name.isupper() else (Stream.READING, 1)
        entry = Entry(stream, name, b"{}", rank, at, count=count, id=self.number)
        gone = self.outbox.make_room(entry, at)
        if entry not in gone:
            self.outbox.admit(entry, 0.0)
        return names(gone)

    def take(self) -> list[Entry]:
        return self.outbox.take(0.0, ONE)

    def drain(self) -> str:
        return "".join(names(taken) for taken in iter(self.take, []))


def names(entries: list[Entry]) -> str:
    return "".join(entry.topic for entry in entries)


def test_the_oldest_goes_but_never_one_on_its_way() -> None:
    box = Box(messages=3)
    for name in "abc":
        assert box.put(name) == ""
    box.take()
    assert box.put("d") == "b"
    assert names(list(box.outbox)) == "acd"


@pytest.mark.parametrize("policy", ["drop_oldest", "drop_newest", "by_priority"])
def test_the_new_one_goes_when_it_is_told_so_or_all_others_are_on_their_way(policy: str) -> None:
    box = Box(messages=2, policy=policy)
    box.put("a")
    box.put("b")
    if policy != "drop_newest":
        box.take()
        box.take()
    assert box.put("c") == "c"
    assert names(list(box.outbox)) == "ab"


def test_the_oldest_of_the_lowest_priority_goes_and_that_may_be_the_new_one() -> None:
    box = Box(messages=4, policy="by_priority")
    for name, rank in (("a", 2), ("b", 1), ("c", 0), ("D", 1)):
        box.put(name, rank)
    assert box.put("e", 1) == "c"
    assert box.put("f", 0) == "f"
    assert box.put("g", 2) == "b"
    assert box.put("h", 2) == "D"
    assert box.put("i", 1) == "e"


def test_bytes_are_bounded_with_what_a_message_takes_besides_its_payload() -> None:
    box = Box(bytes=3 * (OVERHEAD + 3))
    assert [box.put(name) for name in "abcde"] == ["", "", "", "a", "b"]
    assert box.outbox.bytes == 3 * (OVERHEAD + 3)
    box.drain()
    for entry in list(box.outbox):
        box.outbox.acknowledged(entry)
    assert (box.outbox.bytes, len(box.outbox)) == (0, 0)


def test_what_is_too_old_goes_whatever_the_policy() -> None:
    box = Box(age_s=10, policy="drop_newest")
    box.put("a", at=0.0)
    box.put("B", at=4.0)
    assert box.put("c", at=12.0) == "a"
    assert names(box.outbox.expire(20.0)) == "B"


def test_a_message_stays_until_it_is_acknowledged_and_goes_again_in_order() -> None:
    box = Box()
    for name in "abcd":
        box.put(name)
    _, [second], _ = box.take(), box.take(), box.take()
    assert box.outbox.acknowledged(second)
    assert not box.outbox.acknowledged(second)
    assert len(box.outbox) == 3
    box.outbox.restart()
    assert box.drain() == "acd"


def test_the_order_of_a_stream_holds_over_priorities_turns_and_reconnects() -> None:
    box = Box()
    for name, rank in (("a", 1), ("b", 0), ("C", 1), ("d", 2)):
        box.put(name, rank)
    box.outbox.restart()
    for name, rank in (("e", 1), ("F", 0), ("g", 0)):
        box.put(name, rank)
    first = names(box.take()) + names(box.take()) + names(box.take())
    assert first == "Cea"
    box.outbox.restart()
    found = box.drain()
    assert [name for name in found if name.islower()] == list("abdeg")
    assert [name for name in found if name.isupper()] == list("CF")


def test_an_unknown_policy_is_named() -> None:
    with pytest.raises(InvalidInput, match="policy"):
        Limits(policy="drop_some")  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", [{"count": 0}, {"seconds": -1.0}, {"bytes": 200_000}])
def test_batches_that_cannot_be_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match="batching"):
        Batching(**wrong)
