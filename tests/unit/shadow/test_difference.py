"""The delta sees through answers; a patch leads from one document to another."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from shadow.difference import delta, patch_to
from shadow.document import encode, merge

keys = st.sampled_from(["a", "b", "c"])
values = st.recursive(
    st.booleans() | st.integers(0, 3) | st.floats(0, 3) | st.text(max_size=2),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=6,
)
sections = st.dictionaries(keys, values, max_size=3)


def answered(value: Any, code: int = 200) -> dict[str, Any]:
    return {"value": value, "ac": code, "av": 1, "ad": ""}


def test_an_answer_counts_with_its_value() -> None:
    assert delta({"t": 60}, {"t": answered(60)}) is None
    assert delta({"t": 60}, {"t": answered(55, 400)}) == {"t": 60}
    assert delta({"t": 60}, {"t": {"ac": 500, "av": 1}}) == {"t": 60}
    assert delta({"zone": {"t": 60, "u": 1}}, {"zone": {"t": answered(60.0), "u": 2}}) == {"zone": {"u": 1}}


def test_an_object_in_an_answer_differs_as_a_whole() -> None:
    assert delta({"t": {"x": 1}}, {"t": answered({"x": 1, "own": 2})}) is None
    assert delta({"t": {"x": 1, "y": 2}}, {"t": answered({"x": 1})}) == {"t": {"x": 1, "y": 2}}


def test_what_is_desired_in_that_shape_is_compared_as_it_is() -> None:
    assert delta({"t": answered(1)}, {"t": answered(1)}) is None
    assert delta({"t": answered(1)}, {"t": answered(2)}) == {"t": {"value": 1}}


@given(sections, sections)
def test_the_patch_makes_the_one_of_the_other_exactly(old: dict[str, Any], new: dict[str, Any]) -> None:
    patched = merge(old, patch_to(old, new))
    assert patched == new
    assert sorted(encode(patched)) == sorted(encode(new)) or any(isinstance(v, list) for v in new.values())


def test_the_patch_is_small() -> None:
    assert patch_to({"a": {"b": 1, "c": 2}, "d": 1, "e": [1]}, {"a": {"b": 1}, "e": [1], "f": 1}) == {
        "a": {"c": None}, "d": None, "f": 1,
    }  # fmt: skip
    assert patch_to({"a": 1}, {"a": 1.0}) == {"a": 1.0}
