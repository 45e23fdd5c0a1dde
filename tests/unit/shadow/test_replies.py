"""The shapes of shadow messages."""

import msgspec

from iotsphere.topics import Dialect
from shadow import replies
from shadow.document import Document, update
from shadow.metadata import NODE

NOW = 1_700_000_000
STAMP = {"timestamp": NOW, "version": 1}
VERSIONS = {"version": 1, "desired_version": 1, "reported_version": 1}
BOTH = update(Document(), {"desired": {"a": {"b": 1, "c": 2}, "l": [1]}, "reported": {"a": {"b": 1}}}, NOW)
OWN, AWS = Dialect.OWN, Dialect.AWS


def test_a_delta_has_the_metadata_of_what_it_holds() -> None:
    assert replies.delta(BOTH, OWN) == {
        "state": {"a": {"c": 2}, "l": [1]}, "metadata": {"a": {"c": STAMP}, "l": STAMP}, **VERSIONS, "timestamp": NOW,
    }  # fmt: skip
    assert replies.delta(update(BOTH, {"desired": None}, NOW), OWN) is None


def test_get_leaves_an_empty_delta_out() -> None:
    assert replies.got(BOTH, NOW)["state"]["delta"] == {"a": {"c": 2}, "l": [1]}
    assert replies.got(BOTH, NOW)["metadata"]["reported"] == {"a": {"b": STAMP, NODE: STAMP}, NODE: STAMP}
    assert "delta" not in replies.got(update(BOTH, {"desired": None}, NOW), NOW)["state"]
    assert "delta" not in BOTH.state


def test_accepted_echoes_null_and_gives_it_no_time() -> None:
    assert replies.updated(BOTH, {"desired": {"a": None, "x": 1}, "reported": None}, OWN) == {
        "state": {"desired": {"a": None, "x": 1}, "reported": None}, "metadata": {"desired": {"x": STAMP}}, **VERSIONS,
        "timestamp": NOW,
    }  # fmt: skip
    assert replies.updated(BOTH, None, OWN)["state"] is None


def test_documents_leave_an_unknown_past_out() -> None:
    assert "previous" not in replies.documents(None, BOTH, OWN)
    assert replies.documents(Document(), BOTH, AWS)["previous"] == {"state": {}, "metadata": {}, "version": 0}


def test_in_the_dialect_of_aws_there_is_what_its_clients_know_and_nothing_else() -> None:
    time = {"timestamp": NOW}
    body = replies.got(BOTH, NOW, AWS)
    assert body.keys() == {"state", "metadata", "version", "timestamp"}
    assert body["metadata"] == {"desired": {"a": {"b": time, "c": time}, "l": time}, "reported": {"a": {"b": time}}}
    assert replies.updated(BOTH, {"desired": {"x": {"y": 1}}}, AWS) == {
        "state": {"desired": {"x": {"y": 1}}}, "metadata": {"desired": {"x": {"y": time}}}, "version": 1, "timestamp": NOW,
    }  # fmt: skip
    assert replies.delta(BOTH, AWS) == {
        "state": {"a": {"c": 2}, "l": [1]}, "metadata": {"a": {"c": time}, "l": time}, "version": 1, "timestamp": NOW,
    }  # fmt: skip


def test_the_token_is_there_when_there_was_one() -> None:
    assert msgspec.json.decode(replies.with_token({"a": 1}, "t")) == {"a": 1, "clientToken": "t"}
    assert msgspec.json.decode(replies.with_token({"a": 1}, None)) == {"a": 1}
