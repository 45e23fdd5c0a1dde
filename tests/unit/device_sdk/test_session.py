"""The device session, without a socket."""

import json
from typing import Any

import pytest

from device_sdk import failed, refused
from device_sdk.changes import Kept
from device_sdk.inbox import WORK
from device_sdk.outbox import Batching
from device_sdk.readings import MOST, Reading
from device_sdk.receipt import Receipt, State
from device_sdk.session import WINDOW, Desired
from device_sdk.typed import Typed
from iotsphere import topics
from iotsphere.errors import InvalidInput
from iotsphere.messages import CommandRequest, CommandResponse
from tests.support.pump import PUMP
from tests.support.sdk_session import NOW, Clock, command, establish, online, publish, report, sent, session, told


def test_every_subscription_can_match_only_the_devices_own_topics() -> None:
    assert all(topics.is_own_filter("d", text) for text in session().subscriptions)


def test_nothing_goes_out_before_the_session_is_established() -> None:
    made = session()
    publish(made, 1)
    made.event("hello")
    made.report({"a": 1})
    assert made.take() is None
    assert made.backlog == 3


def test_the_shadow_is_read_first_at_every_connect_then_what_waited_goes() -> None:
    made = session()
    made.publish([Reading({"x": 1.5, "on": True})])
    made.event("hello", "warning", {"k": 1})
    made.status("well")
    made.report({"a": 1})
    establish(made)
    assert sent(made) == [
        ("shadow/update", {"state": {"reported": {"a": 1}}}),
        ("event", {"name": "hello", "severity": "warning", "ts": NOW * 1000 + 0.001, "data": {"k": 1}}),
        ("telemetry", {"ts": NOW * 1000, "values": {"x": 1.5, "on": True}, "seq": 1, "boot": "b00t"}),
        ("status", "well"),
    ]
    assert made.backlog == 0


def test_two_readings_of_one_instant_have_two_times() -> None:
    made = online()
    publish(made, 1)
    publish(made, 2)
    publish(made, 3, 123.0)
    assert [body["ts"] for _, body in sent(made)] == [NOW * 1000, NOW * 1000 + 0.001, 123.0]


@pytest.mark.parametrize("ts", [float("nan"), float("inf"), 1e300, -1.0, 253_402_300_800_000, "1970-01-01"])
def test_a_reading_of_no_moment_is_refused_and_takes_no_number(ts: Any) -> None:
    made = online()
    with pytest.raises(InvalidInput, match="ts: must be ms since the Unix epoch"):
        made.publish([Reading({"x": 1}), Reading({"x": 2}, ts)])
    publish(made, 3, 253_402_300_799_999)
    assert [(body["ts"], body["seq"]) for _, body in sent(made)] == [(253_402_300_799_999, 1)]


def test_a_clock_that_is_set_back_is_followed() -> None:
    clock = Clock()
    made = online(clock=clock)
    publish(made, 1)
    clock.now -= 3600
    publish(made, 2)
    assert [body["ts"] for _, body in sent(made)] == [NOW * 1000, (NOW - 3600) * 1000]


@pytest.mark.parametrize(
    "values", [{}, {"x": float("nan")}, {"x": float("inf")}, {"x": "12"}, {"x": None}, {"7up": 1}, {"a b": 1}, {"x": 2**53 + 1}]
)
def test_what_is_no_number_is_refused_at_once(values: Any) -> None:
    with pytest.raises(InvalidInput):
        session().publish([Reading(values)])


def test_what_the_platform_would_refuse_for_its_size_is_refused_at_once() -> None:
    made = online()
    for name in ("", "x" * 101, "a\n"):
        with pytest.raises(InvalidInput, match="name"):
            made.event(name)
    with pytest.raises(InvalidInput, match="severity: must be one of info, warning, error, critical"):
        made.event("hello", "bad")  # type: ignore[arg-type]
    for text in ("", "x" * 1001):
        with pytest.raises(InvalidInput, match="status"):
            made.status(text)
    with pytest.raises(InvalidInput, match="event: is"):
        made.event("large", data={"x": "y" * 200_000})
    with pytest.raises(InvalidInput, match="telemetry: is"):
        made.publish([Reading({"x": 1}), Reading({f"measurement_{n}": n for n in range(9_000)})])
    assert made.backlog == 0
    publish(made, 1)
    assert told(made) == [1]


def test_readings_with_many_values_are_split_by_their_size() -> None:
    made = online()
    made.publish([Reading({f"measurement_{n}": n for n in range(400)}) for _ in range(30)])
    bodies = [json.loads(message.payload) for message in iter(made.take, None)]
    assert sum(map(len, bodies)) == 30
    assert len(bodies) > 1
    assert [reading["seq"] for body in bodies for reading in body] == list(range(1, 31))


def test_a_message_leaves_only_at_its_acknowledgement() -> None:
    made = online()
    receipt = publish(made, 1)
    first = made.take()
    assert first is not None
    assert made.take() is None
    assert made.backlog == 1
    made.disconnected()
    establish(made)
    again = made.take()
    assert again is not None
    assert again.payload == first.payload
    assert receipt.state is State.KEPT
    made.acknowledged(again)
    assert receipt.state is State.ACKNOWLEDGED
    assert made.backlog == 0


def test_no_more_than_the_window_is_on_its_way() -> None:
    made = online()
    for n in range(WINDOW + 5):
        publish(made, n)
    taken = list(iter(made.take, None))
    assert len(taken) == WINDOW
    made.acknowledged(taken[0])
    assert made.has_outgoing
    assert made.take() is not None
    assert made.take() is None


def test_what_was_dropped_is_counted_and_told_once() -> None:
    made = session(limit=3)
    receipts = [publish(made, n) for n in range(6)]
    assert made.keeping.dropped == 3
    assert [receipt.state for receipt in receipts] == [State.GONE] * 3 + [State.KEPT] * 3
    establish(made)
    assert told(made) == [[1, 3], 4, 5, 6]
    publish(made, 6)
    assert told(made) == [7]


def test_what_was_dropped_is_told_by_a_message_that_stores_nothing() -> None:
    made = session(limit=1)
    publish(made, 1)
    publish(made, 2)
    establish(made)
    assert sent(made)[0] == ("telemetry", {"boot": "b00t", "dropped": [1, 1], "values": {}})


def test_the_record_of_dropped_messages_survives_the_message_that_carried_it() -> None:
    made = session(limit=2)
    for n in range(3):
        publish(made, n)
    establish(made)
    assert made.take() is not None  # says [1, 1] and is lost with its connection
    made.disconnected()
    publish(made, 3)
    establish(made)
    assert told(made) == [[1, 2], 3, 4]


def test_the_newest_go_when_told_so() -> None:
    made = session(limit=2, policy="drop_newest")
    for n in range(4):
        publish(made, n)
    establish(made)
    assert told(made) == [[3, 4], 1, 2]


def test_a_long_backlog_and_fresh_readings_take_turns() -> None:
    made = session()
    for n in range(4):
        publish(made, n)
    establish(made)
    for n in range(4):
        publish(made, n)
    assert told(made) in ([5, 1, 6, 2, 7, 3, 8, 4], [1, 5, 2, 6, 3, 7, 4, 8])


def test_readings_wait_for_others_until_they_are_enough_or_it_is_time() -> None:
    clock = Clock(50.0)
    made = online(batching=Batching(count=3, seconds=2.0), monotonic=clock)
    publish(made, 1)
    publish(made, 2)
    assert made.take() is None
    assert made.next_due == 2.0
    publish(made, 3)
    publish(made, 4)
    [(_, body)] = sent(made)
    assert [reading["seq"] for reading in body] == [1, 2, 3]
    clock.now += 2.0
    assert [body["seq"] for _, body in sent(made)] == [4]
    publish(made, 5)
    made.close()
    assert [body["seq"] for _, body in sent(made)] == [5]


def test_many_readings_at_once_are_few_messages_with_one_receipt() -> None:
    made, receipt = online(), Receipt()
    made.publish([Reading({"x": n}) for n in range(MOST + 1)], receipt)
    messages = list(iter(made.take, None))
    assert [len(json.loads(m.payload)) for m in messages[:1]] == [MOST]
    made.acknowledged(messages[0])
    assert receipt.state is State.KEPT
    made.acknowledged(messages[1])
    assert receipt.state is State.ACKNOWLEDGED


def test_a_device_without_a_clock_says_how_long_it_was_up() -> None:
    monotonic = Clock(50.0)
    made = online(clock=None, monotonic=monotonic)
    monotonic.now += 1.5
    publish(made, 1)
    made.event("hello")
    assert sorted(sent(made), key=str) == [
        ("event", {"name": "hello", "severity": "info", "ts": None, "data": None}),
        ("telemetry", {"values": {"x": 1}, "seq": 1, "boot": "b00t", "up": 1500.0}),
    ]


def test_without_a_clock_a_command_lives_as_long_from_its_arrival_as_it_was_meant_to() -> None:
    monotonic = Clock(50.0)
    made = online(clock=None, monotonic=monotonic)
    command(made, "c1", expires_in=5)
    monotonic.now += 6
    assert made.next_work() is None
    assert sent(made)[0][1]["reason"]["code"] == "expired"


def test_a_run_of_numbers_goes_on_after_a_restart_with_a_clock_and_begins_anew_without() -> None:
    kept = Kept(boot="old", seq=7)
    for clock, expected in ((Clock(), ("old", 8)), (None, ("b00t", 1))):
        made = session(kept=kept, clock=clock)
        publish(made, 1)
        changes = made.keeping.begin_write()
        assert changes is not None
        assert (changes.boot, changes.seq) == expected
        assert [(entry.boot, entry.seq) for entry in changes.entries] == [expected]


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
    clock = Clock(50.0)
    made = online(monotonic=clock)
    command(made, "late", expires_in=-1)
    command(made, "waits", expires_in=5)
    clock.now += 6
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
    command(made, "running")
    for n in range(WORK + 1):
        command(made, f"c{n}")
    assert [(topic, body["reason"]["code"]) for topic, body in sent(made)] == [(f"command/c{WORK}/response", "busy")]


def test_a_flood_of_events_is_bounded() -> None:
    made = online(limit=50)
    for n in range(57):
        made.event(f"e{n}")
    assert made.keeping.dropped == 7
    assert made.backlog == 50


def test_a_delta_is_work_and_a_later_one_replaces_it() -> None:
    made = session()
    establish(made, 3, desired={"t": 50}, reported={}, delta={"t": 50})
    made.received(topics.shadow_reply("d", "update", "delta"), b'{"version": 4, "state": {"t": 60}}')
    assert made.has_work
    assert made.next_work() == Desired({"t": 60}, 4)
    assert not made.has_work
    assert made.shadow.desired == {"t": 60}


def test_a_wish_is_refused_with_the_version_that_it_was_given_in() -> None:
    made = session()
    establish(made, 3, desired={"t": 90}, reported={"t": 50}, delta={"t": 90})
    work = made.next_work()
    assert isinstance(work, Desired)
    made.received(topics.shadow_reply("d", "update", "delta"), b'{"version": 4, "desired_version": 4, "state": {"t": 95}}')
    answer = {"t": refused("above 60", value=60)}
    made.report(answer, version=work.version)
    assert sent(made) == [("shadow/update", {"state": {"reported": {"t": {"value": 60, "ac": 400, "av": 3, "ad": "above 60"}}}})]
    made.report(answer)
    assert sent(made)[0][1]["state"]["reported"]["t"]["av"] == 4


def test_an_answer_without_a_value_keeps_the_one_that_an_earlier_run_reported() -> None:
    made = session()
    establish(made, 3, desired={"t": 90}, reported={"t": 50}, delta={"t": 90})
    made.report({"t": failed("stuck")}, version=3)
    assert sent(made) == [("shadow/update", {"state": {"reported": {"t": {"value": 50, "ac": 500, "av": 3, "ad": "stuck"}}}})]


def test_what_an_earlier_run_reported_of_another_kind_is_no_fault_of_an_answer() -> None:
    made = session(typed=Typed(PUMP))
    establish(made, 3, desired={"speed": 90}, reported={"speed": "fast"}, delta={"speed": 90})
    made.report({"speed": failed("stuck")}, version=3)
    assert sent(made)[0][1]["state"]["reported"]["speed"]["value"] == "fast"


def test_three_wishes_while_away_are_obeyed_once() -> None:
    made = online()
    made.disconnected()
    establish(made, 4, desired={"t": 62}, delta={"t": 62})
    made.received(topics.shadow_reply("d", "update", "delta"), b'{"version": 4, "state": {"t": 62}}')
    assert made.next_work() == Desired({"t": 62}, 4)
    assert made.next_work() is None


def test_a_report_is_done_when_the_platform_has_all_of_it() -> None:
    made = online()
    first = report(made, a=1)
    message = made.take()
    assert message is not None
    second = report(made, b=1)
    made.acknowledged(message)
    assert first.state is State.KEPT
    sent(made)
    assert (first.state, second.state) == (State.ACKNOWLEDGED, State.ACKNOWLEDGED)
    assert report(made, b=1).state is State.ACKNOWLEDGED


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


def test_the_end_tells_everyone_who_waits() -> None:
    made = session()
    receipts = [publish(made, 1), report(made, a=1)]
    made.abandon()
    assert [receipt.state for receipt in receipts] == [State.GONE] * 2
