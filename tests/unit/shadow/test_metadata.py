"""Marks."""

from shadow.metadata import NODE, mark, pick, stamp, times, version_of

OLD, NEW = mark(1, 1), mark(2, 2, "ann")


def test_a_mark_names_its_editor_unless_it_is_the_device() -> None:
    assert (OLD, NEW) == ({"timestamp": 1, "version": 1}, {"timestamp": 2, "version": 2, "editor": "ann"})


def test_an_object_is_marked_when_a_member_is_removed() -> None:
    before = {"a": {"b": 1, "c": 2}, "d": 1}
    stamped = stamp(stamp({}, None, before, OLD), before, {"a": {"b": None}}, NEW)
    assert stamped == {"a": {"c": OLD, NODE: NEW}, "d": OLD, NODE: NEW}


def test_a_member_that_is_called_like_the_mark_of_objects_keeps_its_place() -> None:
    before = {NODE: {"x": 1}}
    stamped = stamp({}, None, before, OLD)
    assert stamped == {NODE: {"x": OLD, NODE: OLD}}
    assert stamp(stamped, before, {"y": 1}, NEW) == {NODE: {"x": OLD, NODE: OLD}, "y": NEW}


def test_parts_have_the_marks_of_their_leaves() -> None:
    part = {"a": {"b": 1}, "l": [1]}
    stamped = stamp({}, None, {"a": {"b": 1, "c": 1}, "l": [1]}, NEW)
    assert pick(stamped, part) == {"a": {"b": NEW}, "l": NEW}
    assert times(stamped, part) == {"a": {"b": {"timestamp": 2}}, "l": {"timestamp": 2}}


def test_the_version_of_a_value_is_that_of_its_newest_part() -> None:
    before = {"a": {"b": 1}}
    stamped = stamp(stamp({}, None, before, OLD), before, {"a": {"c": 1}}, NEW)
    assert version_of(stamped["a"], {"b": 1, "c": 1}) == 2
    assert version_of(stamped["a"]["b"], 1) == 1
    assert version_of({}, 1) == version_of({"version": {}}, {}) == 0
