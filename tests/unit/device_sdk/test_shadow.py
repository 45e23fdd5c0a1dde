"""The device's end of its shadow."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from device_sdk.shadow import DeviceShadow, difference, merge, overlay

keys = st.sampled_from("abc")
leaves = st.one_of(st.integers(0, 3), st.booleans(), st.lists(st.integers(0, 2), max_size=2))
documents = st.recursive(st.dictionaries(keys, leaves, max_size=3), lambda inner: st.dictionaries(keys, st.one_of(leaves, inner)))


def read(version: int, **state: Any) -> dict[str, Any]:
    return {"version": version, "timestamp": 1, "state": state}


def synchronised(version: int = 1, **state: Any) -> DeviceShadow:
    shadow = DeviceShadow()
    shadow.got(read(version, **state))
    return shadow


def test_the_first_reading_gives_the_delta_and_reports_what_the_platform_lacks() -> None:
    shadow = DeviceShadow()
    shadow.report({"mode": "eco", "firmware": "1"})
    assert not shadow.report_due
    delta = shadow.got(read(7, desired={"mode": "boost"}, reported={"mode": "eco"}, delta={"mode": "boost"}))
    assert delta == {"mode": "boost"}
    assert shadow.desired == {"mode": "boost"}
    assert shadow.report_due
    assert shadow.take_report() == {"mode": "eco", "firmware": "1"}


def test_what_an_earlier_run_reported_holds_until_something_else_is_reported() -> None:
    shadow = synchronised(reported={"plain": 55, "answered": {"value": "eco", "ac": 200}})
    assert shadow.reported == {}
    assert shadow.held == {"plain": 55, "answered": {"value": "eco", "ac": 200}}
    shadow.report({"plain": None})
    assert shadow.held == {"answered": {"value": "eco", "ac": 200}}


def test_an_answer_that_was_given_before_the_shadow_was_read_keeps_the_value_that_holds() -> None:
    shadow = DeviceShadow()
    shadow.report({"target": {"ac": 202, "av": 3}, "other": {"ac": 500, "av": 3}, "said": {"value": 1, "ac": 400, "av": 3}})
    shadow.got(read(3, reported={"target": 55, "said": 2}))
    assert shadow.take_report() == {
        "target": {"value": 55, "ac": 202, "av": 3},
        "other": {"ac": 500, "av": 3},
        "said": {"value": 1, "ac": 400, "av": 3},
    }


def test_a_delta_of_the_same_version_counts_and_an_older_one_does_not() -> None:
    shadow = synchronised(5)
    assert shadow.delta(read(5, a=1)) == {"a": 1}
    assert shadow.delta(read(4, a=2)) is None
    assert shadow.desired == {"a": 1}


def test_what_get_and_delta_tell_at_once_is_done_once() -> None:
    shadow = synchronised(3, desired={"a": 1}, delta={"a": 1})
    assert shadow.delta(read(3, a=1)) is None
    assert shadow.delta(read(4, a=1)) == {"a": 1}


def test_the_delta_that_follows_an_answer_is_no_news_and_one_after_it_was_so_is() -> None:
    shadow = synchronised(3, desired={"a": 1}, delta={"a": 1})
    wish = {"desired_version": 3}
    assert shadow.delta({**read(4, a=1), **wish}) is None  # what the answer "in progress" has brought about
    assert shadow.delta({**read(5, a=1), "desired_version": 5}) == {"a": 1}  # wished once more
    shadow.documents({"current": {**read(6, desired={"a": 1}, reported={"a": {"value": 1, "ac": 200}}), "desired_version": 5}})
    assert shadow.delta({**read(7, a=1), "desired_version": 5}) == {"a": 1}


def test_a_lower_version_after_a_reconnect_is_the_truth() -> None:
    shadow = synchronised(900, desired={"a": 1})
    shadow.disconnected()
    assert shadow.got(read(2, desired={"a": 5}, delta={"a": 5})) == {"a": 5}
    assert shadow.version == 2
    assert shadow.delta(read(3, a=6)) == {"a": 6}


def test_documents_show_a_withdrawn_wish() -> None:
    shadow = synchronised(3, desired={"a": 1, "b": 2})
    shadow.documents({"previous": read(3), "current": read(4, desired={"b": 2})})
    assert shadow.desired == {"b": 2}
    shadow.documents({"previous": read(1), "current": read(2, desired={"old": 2})})
    assert shadow.desired == {"b": 2}


def test_reports_are_merged_while_one_is_on_its_way() -> None:
    shadow = synchronised()
    shadow.report({"a": 1})
    assert shadow.take_report() == {"a": 1}
    shadow.report({"a": 2})
    shadow.report({"b": {"c": 1}})
    shadow.report({"b": {"d": None}})
    assert not shadow.report_due
    shadow.report_acknowledged()
    assert shadow.take_report() == {"a": 2, "b": {"c": 1}}


def test_a_report_whose_acknowledgement_never_came_is_due_again() -> None:
    shadow = synchronised()
    shadow.report({"a": 1, "gone": 1})
    shadow.take_report()
    shadow.report({"a": 2, "gone": None})
    shadow.disconnected()
    shadow.got(read(2, reported={"a": 1, "gone": 1}))
    assert shadow.take_report() == {"a": 2, "gone": None}


def test_an_unchanged_answer_to_a_wish_is_not_reported_for_ever() -> None:
    shadow = synchronised()
    shadow.report({"target": 75})
    shadow.take_report()
    shadow.report_acknowledged()
    assert shadow.delta(read(2, target=500)) == {"target": 500}
    shadow.report({"target": 75})
    assert not shadow.report_due
    assert shadow.settled


def test_no_shadow_yet_means_that_everything_is_reported() -> None:
    shadow = DeviceShadow()
    shadow.report({"a": 1})
    shadow.unread(absent=True)
    assert shadow.take_report() == {"a": 1}


@given(documents, documents)
def test_the_difference_brings_every_wanted_key(wanted: dict[str, Any], found: dict[str, Any]) -> None:
    assert difference(wanted, merge(found, difference(wanted, found))) == {}


patches = st.dictionaries(keys, st.none() | leaves, max_size=3)


@given(documents, patches, patches)
def test_two_patches_as_one_do_the_same(document: dict[str, Any], first: dict[str, Any], second: dict[str, Any]) -> None:
    assert merge(document, overlay(first, second)) == merge(merge(document, first), second)
