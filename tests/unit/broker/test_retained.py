from broker.embedded.retained import Kept, Retained
from iotsphere.registry import DeviceRecord

D = DeviceRecord("d", "default", "t", "device", "active")


def kept(topic: str, payload: bytes = b"x") -> Kept:
    return Kept(D, topic, payload, 1)


def found(retained: Retained, topic_filter: str) -> list[Kept]:
    return [message for message in retained.matching(topic_filter) if message is not None]


def test_the_last_one_of_a_topic_stays_until_an_empty_one_comes() -> None:
    retained = Retained(10, 100)
    retained.put(kept("a/b", b"old"))
    retained.put(kept("a/b", b"new"))
    assert [m.payload for m in found(retained, "a/+")] == [b"new"]
    assert (len(retained), retained.held) == (1, 3)
    retained.put(kept("a/b", b""))
    retained.put(kept("never", b""))
    assert (found(retained, "#"), len(retained), retained.held) == ([], 0, 0)


def test_the_one_set_first_goes_when_there_are_too_many_or_too_large_ones() -> None:
    retained = Retained(2, 10)
    for topic in ("a", "b", "a", "c"):
        retained.put(kept(topic))
    assert sorted(m.topic for m in found(retained, "#")) == ["a", "c"]
    retained.put(kept("d", b"x" * 10))
    assert [m.topic for m in found(retained, "#")] == ["d"]
    assert retained.dropped == 3


def test_topics_below_a_dollar_retain_nothing() -> None:
    retained = Retained(10, 100)
    retained.put(kept("$aws/things/d/shadow/update"))
    assert len(retained) == 0
