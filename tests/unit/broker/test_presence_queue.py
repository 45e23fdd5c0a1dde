from broker.api import Presence
from broker.presence_queue import PresenceQueue
from iotsphere.registry import DeviceRecord


def word(device: str, session: int, connected: bool) -> Presence:
    record = DeviceRecord(device, "default", "t", "device", "active")
    return Presence(record, session, connected, "connected" if connected else "network", session * 10 + (not connected))


def told(queue: PresenceQueue) -> list[tuple[str, int, bool]]:
    return [(p.device.id, p.session, p.connected) for p in queue.take().events()]


def test_begin_and_end_of_a_session_make_one_entry_in_order() -> None:
    queue = PresenceQueue(sessions=10)
    for session, connected in ((1, True), (1, False), (2, True)):
        queue.add(word("d", session, connected))
    batch = queue.take()
    assert [(s.began is not None, s.ended is not None) for s in batch.sessions] == [(True, True), (True, False)]
    assert [(s.session, s.connected) for s in batch.states] == [(2, True)]
    assert len(queue) == 0


def test_an_end_whose_begin_was_taken_stands_alone() -> None:
    queue = PresenceQueue(sessions=10)
    queue.add(word("d", 1, True))
    queue.take()
    queue.add(word("d", 1, False))
    [session] = queue.take().sessions
    assert session.began is None
    assert session.ended is not None


def test_the_oldest_whole_session_goes_when_full_and_no_pair_is_broken() -> None:
    queue = PresenceQueue(sessions=2)
    queue.add(word("ended", 1, False))  # its begin is written already
    queue.add(word("live", 2, True))
    dropped = [queue.add(word("d", session, connected)) for session in (3, 4, 5, 6) for connected in (True, False)]
    assert dropped == [False] * 5 + [True, False, True]
    assert told(queue) == [
        ("ended", 1, False), ("live", 2, True),
        ("d", 5, True), ("d", 5, False), ("d", 6, True), ("d", 6, False),
    ]  # fmt: skip


def test_the_state_of_a_device_survives_its_dropped_sessions() -> None:
    queue = PresenceQueue(sessions=1)
    for device in ("a", "b"):
        for connected in (True, False):
            queue.add(word(device, 1, connected))
    batch = queue.take()
    assert [(s.device.id, s.connected) for s in batch.states] == [("a", False), ("b", False)]
    assert [(p.device.id, p.connected) for p in batch.events()] == [("b", True), ("b", False), ("a", False)]
