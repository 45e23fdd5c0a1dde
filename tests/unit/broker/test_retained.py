from dataclasses import replace

from broker.embedded.retained import Kept, Retained
from iotsphere.registry import DeviceRecord

D = DeviceRecord("d", "default", "t", "device", "active")


def kept(topic: str, payload: bytes = b"x", sender: str = "d") -> Kept:
    return Kept(replace(D, id=sender), topic, payload, 1)


def of(messages: int, bytes: int, sender_messages: int = 1000, sender_bytes: int = 1000) -> Retained:
    return Retained(messages, bytes, sender_messages=sender_messages, sender_bytes=sender_bytes)


def found(retained: Retained, topic_filter: str) -> list[Kept]:
    return [message for message in retained.matching(topic_filter) if message is not None]


def test_the_last_one_of_a_topic_stays_until_an_empty_one_comes() -> None:
    retained = of(10, 100)
    retained.put(kept("a/b", b"old"))
    retained.put(kept("a/b", b"new"))
    assert [m.payload for m in found(retained, "a/+")] == [b"new"]
    assert (len(retained), retained.held) == (1, 3)
    retained.put(kept("a/b", b""))
    retained.put(kept("never", b""))
    assert (found(retained, "#"), len(retained), retained.held) == ([], 0, 0)


def test_the_one_set_first_goes_when_there_are_too_many_or_too_large_ones() -> None:
    retained = of(2, 10)
    for topic in ("a", "b", "a", "c"):
        retained.put(kept(topic))
    assert sorted(m.topic for m in found(retained, "#")) == ["a", "c"]
    retained.put(kept("d", b"x" * 10))
    assert [m.topic for m in found(retained, "#")] == ["d"]
    assert retained.dropped == 3


def test_topics_below_a_dollar_retain_nothing() -> None:
    retained = of(10, 100)
    retained.put(kept("$aws/things/d/shadow/update"))
    assert len(retained) == 0


def test_who_sets_more_than_his_share_loses_his_own() -> None:
    retained = of(100, 1000, sender_messages=3, sender_bytes=50)
    retained.put(kept("v/status", b"here", "v"))
    for number in range(20):
        retained.put(kept(f"d/{number}"))
    assert sorted(m.topic for m in found(retained, "#")) == ["d/17", "d/18", "d/19", "v/status"]
    retained.put(kept("d/large", b"x" * 49))
    assert sorted(m.topic for m in found(retained, "#")) == ["d/19", "d/large", "v/status"]
    assert (len(retained), retained.held, retained.dropped) == (3, 54, 19)


def test_a_share_ends_with_its_last_message_and_a_topic_may_change_its_sender() -> None:
    retained = of(100, 1000, sender_messages=1)
    retained.put(kept("a", b"x", "d"))
    retained.put(kept("a", b"yy", "e"))
    retained.put(kept("b", b"x", "d"))
    assert sorted((m.topic, m.sender.id) for m in found(retained, "#")) == [("a", "e"), ("b", "d")]
    assert retained.dropped == 0
    for topic in ("a", "b"):
        retained.put(kept(topic, b""))
    assert (len(retained), retained.held, retained._shares) == (0, 0, {})
