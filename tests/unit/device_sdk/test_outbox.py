"""The outbox in memory."""

from device_sdk.outbox import Gaps, MemoryOutbox, Message


def message(name: str) -> Message:
    return Message(name, name.encode())


def names(outbox: MemoryOutbox) -> list[str]:
    return [m.topic for m in outbox]


def test_the_oldest_goes_but_never_one_on_its_way() -> None:
    outbox = MemoryOutbox(3)
    for name in "abc":
        assert outbox.add(message(name)) is None
    assert outbox.take() is not None
    dropped = outbox.add(message("d"))
    assert dropped is not None
    assert dropped.topic == "b"
    assert names(outbox) == ["a", "c", "d"]


def test_the_newest_goes_when_told_so_or_when_all_are_on_their_way() -> None:
    for outbox in (MemoryOutbox(2, "drop_newest"), MemoryOutbox(2)):
        outbox.add(message("a"))
        outbox.add(message("b"))
        if outbox._policy == "drop_oldest":
            outbox.take()
            outbox.take()
        late = message("c")
        assert outbox.add(late) is late
        assert names(outbox) == ["a", "b"]


def test_a_message_stays_until_it_is_acknowledged_and_goes_again_in_order() -> None:
    outbox = MemoryOutbox(10)
    for name in "abcd":
        outbox.add(message(name))
    first, second, third = outbox.take(), outbox.take(), outbox.take()
    assert first is not None
    assert second is not None
    assert third is not None
    outbox.acknowledged(second)
    assert len(outbox) == 3
    outbox.reconnected()
    assert [m.topic for m in iter(outbox.take, None)] == ["a", "c", "d"]


def test_gaps_join_their_neighbours() -> None:
    gaps = Gaps()
    for first, last in [(5, 5), (7, 8), (6, 6), (1, 2)]:
        gaps.add(first, last)
    assert [gaps.pop(), gaps.pop(), gaps.pop()] == [(1, 2), (5, 8), None]
