"""What a run of requests makes of a shadow."""

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from iotsphere import topics
from iotsphere.devices._spec import CommandOutcome, DeviceType, Property, SimulationState, StepResult
from iotsphere.topics import Dialect
from shadow.document import Document
from shadow.plan import Plan, Planner
from tests.support.deliveries import delivery, record

NOW = 1_700_000_000
KILN = DeviceType(
    key="kiln", collection="kilns", title="Kiln", manufacturer="m", model="m", measurements=(), commands=(),
    properties=(Property("setpoint", "Setpoint", "number", low=0, high=100, writable=True), Property("state", "State", "string")),
    initial=lambda rng: SimulationState({}), step=lambda s, dt, rng: StepResult({}, {}),
    execute=lambda s, name, params: CommandOutcome("succeeded"),
)  # fmt: skip


def plan(*requests: tuple[str, Any], base: Document | None = None, device_type: str = "", name: str | None = None) -> Plan:
    of = record(device_type=device_type)
    batch = [delivery(topics.shadow("d1", verb, name), body, of=of) for verb, body in requests]
    return Planner({"kiln": KILN}).plan(base or Document(), batch, NOW)


def answers(made: Plan) -> list[tuple[str, Any]]:
    return [(reply.topic.removeprefix("iot/v1/d1/shadow/"), msgspec.json.decode(reply.payload)) for reply in made.replies]


def test_updates_apply_in_order_and_each_is_a_revision() -> None:
    made = plan(("update", {"state": {"desired": {"a": 1}}}), ("update", {"state": {"reported": {"a": 1}}}), ("get", b""))
    assert [r.version for r in made.revisions] == [1, 2]
    assert made.base.version == 0
    topic, body = answers(made)[-1]
    assert topic == "get/accepted"
    assert body["state"] == {"desired": {"a": 1}, "reported": {"a": 1}}
    assert body["version"] == 2


def test_accepted_holds_only_what_was_asked_for_and_echoes_the_token() -> None:
    base = Document(version=4, reported={"old": 1}, metadata={"reported": {"old": {"timestamp": 1}}})
    made = plan(("update", {"state": {"reported": {"new": 2, "old": None}}, "clientToken": "t", "version": 4}), base=base)
    [(topic, body)] = answers(made)
    assert topic == "update/accepted"
    assert body.pop("metadata") == {"reported": {"new": {"timestamp": NOW, "version": 5}}}
    assert body == {
        "state": {"reported": {"new": 2, "old": None}}, "version": 5, "desired_version": 0, "reported_version": 5,
        "timestamp": NOW, "clientToken": "t",
    }  # fmt: skip


def test_a_stale_version_is_rejected_and_nothing_is_written() -> None:
    made = plan(("update", {"state": {"reported": {"a": 2}}, "version": 3, "clientToken": "t"}), base=Document(version=4))
    topic, body = answers(made)[0]
    assert (topic, body["code"], body["clientToken"], body["timestamp"]) == ("update/rejected", 409, "t", NOW)
    assert body["current"] == {"state": {}, "version": 4, "desired_version": 0, "reported_version": 0}
    assert made.revisions == []
    assert made.refusals == []


@pytest.mark.parametrize(
    ("guard", "code"), [({"desired_version": 2}, None), ({"desired_version": 4}, 409), ({"reported_version": 3}, 409)]
)
def test_the_version_of_a_section_may_be_asked_for(guard: dict[str, int], code: int | None) -> None:
    base = Document(version=4, desired_version=2, reported_version=4)
    [(_, body)] = answers(plan(("update", {"state": {"reported": {"a": 2}}, **guard}), base=base))
    assert body.get("code") == code


def test_in_the_dialect_of_aws_a_conflict_tells_what_its_clients_know() -> None:
    batch = [delivery(topics.shadow("d1", "update", None, Dialect.AWS), {"state": {}, "version": 3})]
    [reply] = Planner({}).plan(Document(version=4), batch, NOW).replies
    assert reply.topic == "$aws/things/d1/shadow/update/rejected"
    assert msgspec.json.decode(reply.payload).keys() == {"code", "message", "timestamp"}


def test_a_wrong_wish_names_its_field() -> None:
    made = plan(("update", {"state": {"desired": {"setpoint": 101}}}), device_type="kiln")
    [(topic, body)] = answers(made)
    assert (topic, body["field"]) == ("update/rejected", "desired.setpoint")
    assert "must be at most 100" in body["message"]


def test_get_and_delete_of_what_is_not_there_are_404() -> None:
    made = plan(("get", b""), ("delete", b""))
    assert [(topic, body["code"]) for topic, body in answers(made)] == [("get/rejected", 404), ("delete/rejected", 404)]


def test_delete_and_create_again_counts_on() -> None:
    made = plan(
        ("delete", {"clientToken": "t"}),
        ("get", b""),
        ("update", {"state": {"reported": {"b": 1}}}),
        base=Document(version=7, reported={"a": 1}),
    )
    (_, gone), (topic, _), (_, again) = answers(made)
    assert gone == {"version": 8, "timestamp": NOW, "clientToken": "t"}
    assert topic == "get/rejected"
    assert again["version"] == 9
    assert made.current.reported == {"b": 1}


def test_malformed_is_recorded_and_does_not_harm_its_neighbours() -> None:
    made = plan(("update", b"{"), ("update", {"state": {"reported": {"a": 1}}}))
    assert [topic for topic, _ in answers(made)] == ["update/rejected", "update/accepted"]
    assert [(r.device, r.topic) for r in made.refusals] == [("d1", "iot/v1/d1/shadow/update")]


def test_desired_of_a_known_type_is_checked_in_the_classic_shadow_only() -> None:
    wrong = ("update", {"state": {"desired": {"setpoint": 101}}})
    assert answers(plan(wrong, device_type="kiln"))[0][1]["code"] == 400
    assert plan(("update", {"state": {"desired": {"setpoint": 100, "state": None}}}), device_type="kiln").revisions == []
    assert plan(wrong, device_type="unknown").revisions
    named = plan(wrong, device_type="kiln", name="other")
    assert named.revisions
    assert named.key == ("d1", "other")
    assert named.replies[0].topic == "iot/v1/d1/shadow/name/other/update/accepted"


def test_a_document_that_would_grow_too_large_is_413() -> None:
    made = plan(("update", {"state": {"reported": {"a": "x" * 20_000}}}), ("update", {"state": {"desired": {"a": "x" * 20_000}}}))
    assert answers(made)[1][1]["code"] == 413
    assert replace(made.current).version == 1
