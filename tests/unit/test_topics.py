"""The topic grammar."""

import pytest

from iotsphere import topics
from iotsphere.topics import Dialect, Kind, Route


@pytest.mark.parametrize(
    ("topic", "route"),
    [
        (topics.telemetry("d-1"), Route("d-1", Kind.TELEMETRY)),
        (topics.event("d-1"), Route("d-1", Kind.EVENT)),
        (topics.status("d-1"), Route("d-1", Kind.STATUS)),
        (topics.shadow("d-1", "update"), Route("d-1", Kind.SHADOW_UPDATE)),
        (topics.shadow("d-1", "get", "lamp"), Route("d-1", Kind.SHADOW_GET, name="lamp")),
        (topics.shadow("d-1", "get", None, Dialect.AWS), Route("d-1", Kind.SHADOW_GET, dialect=Dialect.AWS)),
        (topics.shadow("d-1", "delete", "lamp", Dialect.AWS), Route("d-1", Kind.SHADOW_DELETE, name="lamp", dialect=Dialect.AWS)),
        (topics.command_response("d-1", "c7"), Route("d-1", Kind.COMMAND_RESPONSE, command_id="c7")),
    ],
)
def test_what_is_built_is_parsed_back(topic: str, route: Route) -> None:
    assert topics.parse(topic) == route


@pytest.mark.parametrize(
    "topic",
    [
        "",
        "iot/v1",
        "iot/v2/d/telemetry",
        "iot/v1/-d/telemetry",
        "iot/v1/d/telemetry/x",
        "iot/v1/d/shadow/write",
        "iot/v1//event",
        "$aws/things/d/telemetry",
        "$aws/things/d/shadow/update/accepted",
        "$aws/things/-d/shadow/get",
        "$aws/rules/d/shadow/get",
        "$aws/things/d/shadow/name/a.b/get",
        "$aws/things/d/jobs/get",
        "aws/things/d/shadow/get",
    ],
)
def test_other_topics_are_none_of_ours(topic: str) -> None:
    assert topics.parse(topic) is None


@pytest.mark.parametrize(
    ("topic_filter", "own"),
    [
        ("iot/v1/d/#", True),
        ("iot/v1/d/command/+/request", True),
        ("$aws/things/d/shadow/get/+", True),
        ("$aws/things/d/shadow/delete/+", True),
        ("$aws/things/d/shadow/name/+/update/delta", True),
        ("$aws/things/+/shadow/get/accepted", False),
        ("$aws/things/d2/shadow/get/+", False),
        ("$aws/things/d/jobs/#", False),
        ("$aws/#", False),
        ("iot/v1/+/telemetry", False),
        ("#", False),
        ("iot/v1/d2/#", False),
        ("iot/v1/d/#/x", False),
        ("iot/v1/d/a+", False),
    ],
)
def test_only_filters_below_the_own_id_are_own(topic_filter: str, own: bool) -> None:
    assert topics.is_own_filter("d", topic_filter) is own


@pytest.mark.parametrize(
    ("topic_filter", "topic", "does"),
    [
        ("iot/v1/d/telemetry", "iot/v1/d/telemetry", True),
        ("iot/v1/+/telemetry", "iot/v1/d/telemetry", True),
        ("iot/v1/d/#", "iot/v1/d/shadow/update/delta", True),
        ("iot/v1/d/#", "iot/v1/d", True),
        ("#", "iot/v1/d", True),
        ("iot/v1/d/+", "iot/v1/d/shadow/update", False),
        ("iot/v1/d/shadow/+/delta", "iot/v1/d/shadow/update", False),
        ("iot/v1/d", "iot/v1/d/telemetry", False),
    ],
)
def test_filters_match_topics(topic_filter: str, topic: str, does: bool) -> None:
    assert topics.matches(topic_filter, topic) is does


def test_a_command_id_is_read_from_its_request_topic() -> None:
    assert topics.command_id_of_request(topics.command_request("d", "c1")) == "c1"
    assert topics.command_id_of_request(topics.telemetry("d")) is None
