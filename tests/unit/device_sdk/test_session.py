"""The device session, without a socket."""

import json
from typing import Any

import pytest

from device_sdk.outbox import MemoryOutbox, Message
from device_sdk.session import URGENT, WINDOW, WORK, Desired, DeviceSession
from iotsphere import topics
from iotsphere.errors import InvalidInput
from iotsphere.messages import CommandRequest, CommandResponse

NOW = 1_760_000_000.0


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


def session(limit: int = 100, **options: Any) -> DeviceSession:
    return DeviceSession("d", outbox=MemoryOutbox(limit, **options), clock=Clock(), boot="b00t")


def online(**options: Any) -> DeviceSession:
    made = session(**options)
    establish(made)
    return made


def establish(made: DeviceSession, version: int = 1, **state: Any) -> None:
    made.established()
    get = made.take()
    assert get is not None
    assert get.topic == topics.shadow("d", "get")
    made.acknowledged(get)
    made.received(topics.shadow_reply("d", "get", "accepted"), json.dumps({"version": version, "state": state}).encode())


def sent(made: DeviceSession) -> list[tuple[str, Any]]:
    """Everything that goes out now, acknowledged."""
    found = []
    while (message := made.take()) is not None:
        found.append((message.topic.removeprefix("iot/v1/d/"), _decoded(made, message)))
        made.acknowledged(message)
    return found


def _decoded(made: DeviceSession, message: Message) -> Any:
    payload = made.payload(message)
    return json.loads(payload) if payload.startswith(b"{") else payload.decode()


def command(made: DeviceSession, id: str, expires_in: float = 10.0, name: str = "blink") -> None:
    request = {
        "id": id,
        "name": name,
        "params": {"n": 1},
        "issued_at": int(NOW * 1000),
        "expires_at": int((NOW + expires_in) * 1000),
    }
    made.received(topics.command_request("d", id), json.dumps(request).encode())


def test_every_subscription_can_match_only_the_devices_own_topics() -> None:
    assert all(topics.is_own_filter("d", text) for text in session().subscriptions)


def test_nothing_goes_out_before_the_session_is_established() -> None:
    made = session()
    made.publish({"x": 1})
    made.event("hello")
    made.report({"a": 1})
    assert made.take() is None
    assert made.backlog == 3


def test_the_shadow_is_read_first_at_every_connect_then_what_waited_goes() -> None:
    made = session()
    made.publish({"x": 1.5, "on": True})
    made.event("hello", "warning", {"k": 1})
    made.status("well")
    made.report({"a": 1})
    establish(made)
    assert sent(made) == [
        ("event", {"name": "hello", "severity": "warning", "ts": NOW * 1000 + 0.001, "data": {"k": 1}}),
        ("status", "well"),
        ("shadow/update", {"state": {"reported": {"a": 1}}}),
        ("telemetry", {"ts": NOW * 1000, "values": {"x": 1.5, "on": True}, "seq": 1, "boot": "b00t"}),
    ]
    assert made.backlog == 0


def test_two_readings_of_one_instant_have_two_times() -> None:
    made = online()
    made.publish({"x": 1})
    made.publish({"x": 2})
    made.publish({"x": 3}, ts=123.0)
    assert [body["ts"] for _, body in sent(made)] == [NOW * 1000, NOW * 1000 + 0.001, 123.0]


def test_a_clock_that_is_set_back_is_followed() -> None:
    made = online()
    made.publish({"x": 1})
    made._clock.now -= 3600  # type: ignore[attr-defined]
    made.publish({"x": 2})
    assert [body["ts"] for _, body in sent(made)] == [NOW * 1000, (NOW - 3600) * 1000]


@pytest.mark.parametrize("values", [{}, {"x": float("nan")}, {"x": float("inf")}, {"x": "12"}, {"x": None}])
def test_what_is_no_number_is_refused_at_once(values: Any) -> None:
    with pytest.raises(InvalidInput):
        session().publish(values)


def test_a_message_leaves_only_at_its_acknowledgement() -> None:
    made, done = online(), []
    made.publish({"x": 1}, done=done.append)
    first = made.take()
    assert first is not None
    assert made.take() is None
    assert made.backlog == 1
    made.disconnected()
    establish(made)
    again = made.take()
    assert again is not None
    assert made.payload(again) == made.payload(first)
    assert done == []
    made.acknowledged(again)
    assert done == [True]
    assert made.backlog == 0


def test_no_more_than_the_window_is_on_its_way() -> None:
    made = online()
    for n in range(WINDOW + 5):
        made.publish({"x": n})
    taken = list(iter(made.take, None))
    assert len(taken) == WINDOW
    made.acknowledged(taken[0])
    assert made.has_outgoing
    assert made.take() is not None
    assert made.take() is None


def test_what_was_dropped_is_counted_and_told_once() -> None:
    made, done = session(limit=3), []
    for n in range(6):
        made.publish({"x": n}, done=done.append)
    assert made.dropped == 3
    assert done == [False] * 3
    establish(made)
    assert [(body["seq"], body.get("dropped")) for _, body in sent(made)] == [(4, [1, 3]), (5, None), (6, None)]


def test_the_record_of_dropped_messages_survives_the_message_that_carried_it() -> None:
    made = session(limit=2)
    for n in range(3):
        made.publish({"x": n})
    establish(made)
    assert made.take() is not None  # carries [1, 1] and is lost with its connection
    made.disconnected()
    made.publish({"x": 3})
    establish(made)
    assert [(body["seq"], body.get("dropped")) for _, body in sent(made)] == [(3, [1, 2]), (4, None)]


def test_the_newest_go_when_told_so() -> None:
    made = session(limit=2, policy="drop_newest")
    for n in range(4):
        made.publish({"x": n})
    establish(made)
    assert [(body["seq"], body.get("dropped")) for _, body in sent(made)] == [(1, [3, 4]), (2, None)]


def test_a_command_is_run_once_and_answered_as_often_as_it_is_asked() -> None:
    made = online()
    command(made, "c1")
    work = made.next_work()
    assert isinstance(work, CommandRequest)
    assert (work.id, work.name, work.params) == ("c1", "blink", {"n": 1})
    command(made, "c1")
    assert made.next_work() is None
    assert sent(made) == [("command/c1/response", {"status": "in_progress"})]
    made.answer("c1", CommandResponse(status="succeeded", result={"ok": True}))
    command(made, "c1")
    assert made.next_work() is None
    assert sent(made) == [("command/c1/response", {"status": "succeeded", "result": {"ok": True}})] * 2


def test_an_expired_command_is_rejected_and_never_run() -> None:
    made = online()
    command(made, "late", expires_in=-1)
    command(made, "waits", expires_in=5)
    made._clock.now += 6  # type: ignore[attr-defined]
    assert made.next_work() is None
    assert [(topic, body["reason"]["code"]) for topic, body in sent(made)] == [
        ("command/late/response", "expired"),
        ("command/waits/response", "expired"),
    ]


@pytest.mark.parametrize(
    "payload", [b"no json", b"[]", b'{"id": "other", "name": "x", "params": {}, "issued_at": 1, "expires_at": 9e15}']
)
def test_a_malformed_command_is_rejected(payload: bytes) -> None:
    made = online()
    made.received(topics.command_request("d", "c1"), payload)
    assert made.next_work() is None
    [(topic, body)] = sent(made)
    assert (topic, body["status"], body["reason"]["code"]) == ("command/c1/response", "rejected", "malformed")


def test_too_many_commands_at_once_are_rejected_as_busy() -> None:
    made = online()
    for n in range(WORK + 1):
        command(made, f"c{n}")
    assert [(topic, body["reason"]["code"]) for topic, body in sent(made)] == [(f"command/c{WORK}/response", "busy")]


def test_a_flood_of_events_is_bounded() -> None:
    made = online()
    for n in range(URGENT + 7):
        made.event(f"e{n}")
    assert made.dropped == 7
    assert made.backlog == URGENT


def test_a_delta_is_work_and_a_later_one_replaces_it() -> None:
    made = session()
    establish(made, 3, desired={"t": 50}, reported={}, delta={"t": 50})
    made.received(topics.shadow_reply("d", "update", "delta"), b'{"version": 4, "state": {"t": 60}}')
    assert made.has_work
    assert made.next_work() == Desired({"t": 60})
    assert not made.has_work
    assert made.shadow.desired == {"t": 60}


def test_three_wishes_while_away_are_obeyed_once() -> None:
    made = online()
    made.disconnected()
    establish(made, 4, desired={"t": 62}, delta={"t": 62})
    made.received(topics.shadow_reply("d", "update", "delta"), b'{"version": 4, "state": {"t": 62}}')
    assert made.next_work() == Desired({"t": 62})
    assert made.next_work() is None


def test_a_report_is_done_when_the_platform_has_all_of_it() -> None:
    made, done = online(), []
    made.report({"a": 1}, done=done.append)
    message = made.take()
    assert message is not None
    made.report({"b": 1}, done=done.append)
    made.acknowledged(message)
    assert done == []
    sent(made)
    assert done == [True, True]
    made.report({"b": 1}, done=done.append)
    assert done == [True, True, True]


@pytest.mark.parametrize("payload", [b"", b"[]", b"{}", b'{"version": "x"}', b'{"version": 1, "state": 3}', b"\xff"])
@pytest.mark.parametrize("reply", [("get", "accepted"), ("update", "delta"), ("update", "documents"), ("update", "rejected")])
def test_an_unreadable_shadow_message_is_noted_and_changes_nothing(payload: bytes, reply: tuple[str, str]) -> None:
    made = online()
    made.received(topics.shadow_reply("d", *reply), payload)
    assert made.next_work() is None
    assert made.shadow.version == 1


def test_a_refused_update_is_noted() -> None:
    made = online()
    made.received(topics.shadow_reply("d", "update", "rejected"), b'{"code": 413, "message": "too large"}')
    assert made.rejected == "413 too large"


def test_closing_tells_everyone_who_waits() -> None:
    made, done = session(), []
    made.publish({"x": 1}, done=done.append)
    made.report({"a": 1}, done=done.append)
    made.close()
    assert done == [False, False]
