"""The shapes of shadow messages."""

import msgspec

from shadow import replies
from shadow.document import Document, update

NOW = 1_700_000_000
STAMP = {"timestamp": NOW}
BOTH = update(Document(), {"desired": {"a": {"b": 1, "c": 2}, "l": [1]}, "reported": {"a": {"b": 1}}}, NOW)


def test_a_delta_has_the_metadata_of_what_it_holds() -> None:
    assert replies.delta(BOTH, NOW + 5) == {
        "state": {"a": {"c": 2}, "l": [1]},
        "metadata": {"a": {"c": STAMP}, "l": STAMP},
        "version": 1,
        "timestamp": NOW + 5,
    }
    assert replies.delta(update(BOTH, {"desired": None}, NOW), NOW) is None


def test_get_leaves_an_empty_delta_out() -> None:
    assert replies.got(BOTH, NOW)["state"]["delta"] == {"a": {"c": 2}, "l": [1]}
    assert "delta" not in replies.got(update(BOTH, {"desired": None}, NOW), NOW)["state"]


def test_accepted_echoes_null_and_gives_it_no_time() -> None:
    assert replies.updated(BOTH, {"desired": {"a": None, "x": 1}, "reported": None}) == {
        "state": {"desired": {"a": None, "x": 1}, "reported": None},
        "metadata": {"desired": {"x": STAMP}},
        "version": 1,
        "timestamp": NOW,
    }
    assert replies.updated(BOTH, None)["state"] is None


def test_documents_leave_an_unknown_past_out() -> None:
    assert "previous" not in replies.documents(None, BOTH, NOW)
    assert replies.documents(Document(), BOTH, NOW)["previous"] == {"state": {}, "metadata": {}, "version": 0}


def test_the_token_is_there_when_there_was_one() -> None:
    assert msgspec.json.decode(replies.with_token({"a": 1}, "t")) == {"a": 1, "clientToken": "t"}
    assert msgspec.json.decode(replies.with_token({"a": 1}, None)) == {"a": 1}
