"""The rules of the shadow document, S1 to S15 and S21 of the contract tests, without any store."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iotsphere.errors import InvalidInput
from shadow.difference import delta, same
from shadow.document import Bounds, Document, TooLarge, converged, decode, delete, encode, merge, update
from shadow.metadata import NODE

NOW = 1_700_000_000
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=4)
)
keys = st.sampled_from(["a", "b", "c", "timestamp", "a/b", "~"])
solid = st.recursive(
    scalars.filter(lambda v: v is not None),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=8,
)
sections = st.dictionaries(keys, solid, max_size=4)
patches = st.dictionaries(keys, st.none() | solid | st.dictionaries(keys, st.none() | solid, max_size=3), max_size=4)


def after(*changes: Any, **bounds: int) -> Document:
    document = Document()
    for change in changes:
        document = update(document, change, NOW, Bounds(**bounds))
    return document


def is_part_of(desired: Any, reported: Any) -> bool:
    if isinstance(desired, dict) and isinstance(reported, dict):
        return all(key in reported and is_part_of(value, reported[key]) for key, value in desired.items())
    return same(desired, reported)


def test_desired_alone_is_the_delta_until_it_is_reported() -> None:
    document = after({"desired": {"led": "on"}})
    assert (document.version, document.delta) == (1, {"led": "on"})
    document = update(document, {"reported": {"led": "on"}}, NOW)
    assert (document.version, document.delta) == (2, None)


def test_null_deletes_a_leaf_a_section_and_everything() -> None:
    base = {"desired": {"a": 1, "b": 2}, "reported": {"a": 1}}
    assert after(base, {"desired": {"a": None}}).desired == {"b": 2}
    assert after(base, {"desired": None}).state == {"reported": {"a": 1}}
    emptied = after(base, None)
    assert (emptied.state, emptied.metadata, emptied.version, emptied.exists) == ({}, {}, 2, True)


def test_the_last_key_takes_its_section_along_but_an_empty_object_inside_stays() -> None:
    assert after({"desired": {"a": 1}}, {"desired": {"a": None}}).state == {}
    assert after({"desired": {"d": {}}}).state == {"desired": {"d": {}}}
    assert after({"desired": {"d": {"x": 1}}}, {"desired": {"d": {"x": None}}}).desired == {"d": {}}


def test_an_empty_section_changes_nothing_but_the_version() -> None:
    document = after({"desired": {"a": 1}}, {"desired": {}, "reported": {}})
    assert (document.state, document.version, document.desired_version, document.reported_version) == (
        {"desired": {"a": 1}},
        2,
        1,
        0,
    )


def test_arrays_are_whole() -> None:
    document = after({"desired": {"a": [1, 2, 3]}, "reported": {"a": [1, 2]}})
    assert document.delta == {"a": [1, 2, 3]}
    assert delta({"a": [1, 2]}, {"a": [2, 1]}) == {"a": [1, 2]}
    assert delta({"a": {"b": [{"x": 1}]}}, {"a": {"b": [{"x": 1.0}]}}) is None


def test_a_delta_keeps_the_path_and_leaves_equal_siblings_out() -> None:
    assert delta({"a": {"b": 1, "c": {"d": 2}}}, {"a": {"b": 1, "c": {"d": 3}}, "only": 1}) == {"a": {"c": {"d": 2}}}


def test_scalar_and_object_replace_each_other() -> None:
    assert after({"desired": {"a": 1}}, {"desired": {"a": {"b": 2}}}).desired == {"a": {"b": 2}}
    assert after({"desired": {"a": {"b": 2}}}, {"desired": {"a": 1}}).metadata["desired"]["a"] == {"timestamp": NOW, "version": 2}
    assert delta({"a": {"b": 1}}, {"a": 1}) == {"a": {"b": 1}}
    assert delta({"a": 1}, {"a": {"b": 1}}) == {"a": 1}


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        (21, 21.0, True),
        (1, True, False),
        (0, False, False),
        (2**60, 2**60 + 1, False),
        ([1], [1.0], True),
        ([1], [True], False),
        ("1", 1, False),
        ({}, [], False),
    ],
)
def test_equality_is_that_of_json(one: Any, other: Any, equal: bool) -> None:
    assert same(one, other) is equal
    assert (delta({"a": one}, {"a": other}) is None) is equal


@pytest.mark.parametrize(
    "text",
    [
        b"9007199254740993",
        b"123456789012345678901234567890",
        b"1.0",
        b"1",
        b"0.1234567890123456",
        b"1e100",
        b'"a/b"',
        b"[]",
        b"{}",
    ],
)
def test_values_stay_as_they_were_written(text: bytes) -> None:
    assert encode(decode(text)) == text


def test_null_inside_an_array_is_refused() -> None:
    with pytest.raises(InvalidInput, match="null"):
        after({"desired": {"a": [1, None]}})


def test_the_bounds_are_exact() -> None:
    assert after({"desired": {"a": {"b": {"c": 1}}}}, depth=3).version == 1
    for deep in ({"a": {"b": {"c": {}}}}, {"a": {"b": [[]]}}):
        with pytest.raises(InvalidInput, match="deep"):
            after({"desired": deep}, depth=3)
    assert after({"desired": {"a": "x" * 92}}, size=100).version == 1
    with pytest.raises(TooLarge):
        after({"desired": {"a": "x" * 93}}, size=100)
    with pytest.raises(TooLarge):  # of the merged document, not of the request
        after({"desired": {"a": "x" * 92}}, {"reported": {"b": 1}}, size=100)


def test_section_versions_say_when_a_section_was_last_written() -> None:
    document = after({"desired": {"a": 1}}, {"reported": {"a": 1}}, {"reported": {"a": 2}})
    assert (document.version, document.desired_version, document.reported_version) == (3, 1, 3)


def test_a_deleted_document_is_gone_and_its_version_counts_on() -> None:
    gone = delete(after({"desired": {"a": 1}}), NOW)
    assert (gone.exists, gone.version, gone.state, gone.delta) == (False, 2, {}, None)
    again = update(gone, {"reported": {"b": 1}}, NOW)
    assert (again.exists, again.version, again.state) == (True, 3, {"reported": {"b": 1}})


def test_each_leaf_and_each_object_tells_when_it_was_written_and_by_whom() -> None:
    first = update(Document(), {"desired": {"a": {"x": 1, "y": 2}, "timestamp": 5}}, NOW, editor="ann")
    ann = {"timestamp": NOW, "version": 1, "editor": "ann"}
    document = update(first, {"desired": {"a": {"y": None}}}, NOW + 9.7)
    device = {"timestamp": NOW + 9, "version": 2}
    assert document.metadata == {"desired": {"a": {"x": ann, NODE: device}, "timestamp": ann, NODE: device}}


def test_a_wish_is_pending_until_the_device_reports_it() -> None:
    wished = update(Document(), {"desired": {"a": 1, "b": 2}}, 100.5)
    again = update(wished, {"desired": {"a": 3}}, 110.0)
    assert again.pending == {"a": 100.5, "b": 100.5}
    done = update(again, {"reported": {"a": 3}}, 112.0)
    assert (done.pending, converged(again, done, 112.0)) == ({"b": 100.5}, {"a": 11.5})
    withdrawn = update(done, {"desired": {"b": None}}, 120.0)
    assert (withdrawn.pending, converged(done, withdrawn, 120.0)) == ({}, {})
    given_in = update(again, {"desired": {"a": None, "b": None}, "reported": {"c": 1}}, 120.0)
    assert converged(again, given_in, 120.0) == {}


@given(sections, sections)
def test_the_delta_is_empty_exactly_when_desired_is_part_of_reported(desired: dict[str, Any], reported: dict[str, Any]) -> None:
    assert (delta(desired, reported) is None) == is_part_of(desired, reported)


@given(sections, sections)
def test_reporting_the_delta_ends_it(desired: dict[str, Any], reported: dict[str, Any]) -> None:
    assert delta(desired, merge(reported, delta(desired, reported) or {})) is None


@given(sections, patches)
def test_merging_twice_is_merging_once_and_changes_no_argument(target: dict[str, Any], patch: dict[str, Any]) -> None:
    before = encode(target)
    once = merge(target, patch)
    assert merge(once, patch) == once
    assert encode(target) == before


@given(sections, patches)
def test_metadata_has_the_shape_of_the_data(target: dict[str, Any], patch: dict[str, Any]) -> None:
    document = after({"desired": target}, {"desired": patch})

    def compare(value: Any, known: Any) -> None:
        if isinstance(value, dict):
            assert known.keys() - {NODE} == value.keys()
            for key, inner in value.items():
                compare(inner, known[key])
            known = known[NODE]
        assert known["timestamp"] == NOW

    if document.desired:
        compare(document.desired, document.metadata["desired"])
    else:
        assert "desired" not in document.metadata


@given(sections)
def test_a_section_survives_the_way_through_json(section: dict[str, Any]) -> None:
    assert decode(encode(section)) == section
