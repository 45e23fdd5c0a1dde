"""The filters of one session."""

from hypothesis import given
from hypothesis import strategies as st

from broker.embedded.limits import Limits
from broker.embedded.session import Session
from iotsphere import topics
from iotsphere.registry import DeviceRecord

patterns = st.tuples(st.lists(st.sampled_from(["a", "b", "+"]), min_size=1, max_size=3), st.booleans()).map(
    lambda parts: "/".join(parts[0] + ["#"] * parts[1])
)
names = [f"{a}{b}{c}".strip("/") for a in "ab" for b in ("", "/a", "/b") for c in ("", "/a", "/b") if b or not c]
names += [f"{name}/{x}/{y}" for name in names for x in "ab" for y in "ab"]


@given(patterns, patterns)
def test_filters_overlap_when_a_topic_exists_that_both_match(one: str, other: str) -> None:
    both = any(topics.matches(one, name) and topics.matches(other, name) for name in names)
    assert topics.overlap(one, other) == topics.overlap(other, one) == both


def test_what_a_device_publishes_is_matched_by_what_is_said_of_it() -> None:
    published = [
        topics.telemetry("d"), topics.event("d"), topics.status("d"), topics.command_response("d", "c"),
        *(topics.shadow("d", verb, name) for verb in ("get", "update", "delete") for name in (None, "n")),
    ]  # fmt: skip
    for topic in published:
        assert sum(topics.matches(pattern, topic) for pattern in topics.published_by("d")) == 1
    assert not any(topics.matches(pattern, topics.command_request("d", "c")) for pattern in topics.published_by("d"))


def test_a_session_knows_whether_it_hears_itself() -> None:
    session = Session(DeviceRecord("d", "default", "t", "device", "active"), True, Limits(), lambda: 0.0)
    session.subscribe(topics.command_request_filter("d"), 1)
    session.subscribe("iot/v1/d/shadow/update/+", 1)
    assert not session.hears_itself
    session.subscribe("iot/v1/d/#", 1)
    session.subscribe("iot/v1/d/+", 1)
    session.unsubscribe("iot/v1/d/#")
    assert session.hears_itself
    session.unsubscribe("iot/v1/d/+")
    assert not session.hears_itself
