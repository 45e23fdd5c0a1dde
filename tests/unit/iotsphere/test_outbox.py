from iotsphere.infra.outbox import Outbox


def test_takes_in_the_order_of_putting() -> None:
    outbox = Outbox(events=10, size=100)
    for data in (b"1", b"2", b"3"):
        assert outbox.put("t", data) == []
    assert outbox.take(2) == [("t", b"1"), ("t", b"2")]
    assert outbox.take(2) == [("t", b"3")]
    assert outbox.take(2) == []
    assert outbox.held == 0


def test_drops_the_oldest_when_there_are_too_many() -> None:
    outbox = Outbox(events=2, size=100)
    outbox.put("a", b"1")
    outbox.put("b", b"2")
    assert outbox.put("c", b"3") == ["a"]
    assert outbox.take(9) == [("b", b"2"), ("c", b"3")]


def test_drops_the_oldest_when_they_are_too_large() -> None:
    outbox = Outbox(events=100, size=10)
    outbox.put("a", b"12345")
    outbox.put("b", b"12345")
    assert outbox.put("c", b"123456") == ["a", "b"]
    assert outbox.held == 6


def test_one_event_larger_than_the_bound_is_still_taken() -> None:
    outbox = Outbox(events=100, size=10)
    assert outbox.put("a", b"x" * 20) == []
    assert len(outbox) == 1
