"""The tree finds what a comparison of every filter with every topic finds."""

import string

from hypothesis import given
from hypothesis import strategies as st

from broker.embedded.subscriptions import Subscriptions
from broker.embedded.topic_tree import TopicTree

levels = st.sampled_from(["a", "b", "", "$a"])
names = st.lists(levels, min_size=1, max_size=4).map("/".join).filter(bool)
filters = st.tuples(st.lists(st.sampled_from(["a", "b", "", "$a", "+"]), max_size=4), st.booleans()).map(
    lambda parts: "/".join(parts[0] + ["#"] * (parts[1] or not parts[0]))
)


def matches(topic_filter: str, topic: str) -> bool:
    subscriptions = Subscriptions()
    subscriptions.add(topic_filter, 0)
    return subscriptions.match(topic) is not None


@given(st.sets(filters), names)
def test_filters_of_a_topic(known: set[str], topic: str) -> None:
    tree: TopicTree[str] = TopicTree()
    for topic_filter in known:
        tree.put(topic_filter, topic_filter)
    assert sorted(tree.filters_of(topic)) == sorted(f for f in known if f and matches(f, topic))


@given(st.sets(names), filters)
def test_topics_of_a_filter(known: set[str], topic_filter: str) -> None:
    tree: TopicTree[str] = TopicTree()
    for topic in known:
        tree.put(topic, topic)
    assert sorted(t for t in tree.topics_of(topic_filter) if t is not None) == sorted(
        t for t in known if matches(topic_filter, t)
    )


@given(st.sets(names), st.lists(st.tuples(st.booleans(), names)), filters)
def test_the_tree_may_change_while_somebody_looks(known: set[str], steps: list[tuple[bool, str]], topic_filter: str) -> None:
    tree: TopicTree[str] = TopicTree()
    for topic in known:
        tree.put(topic, topic)
    changed, found = {path for _, path in steps}, []
    for topic in tree.topics_of(topic_filter):
        found.append(topic)
        if steps:
            is_put, path = steps.pop()
            tree.put(path, path) if is_put else tree.remove(path)
    assert {t for t in known - changed if matches(topic_filter, t)} <= set(found)
    assert len(found) - found.count(None) == len(set(found) - {None})


@given(st.lists(st.tuples(st.booleans(), names)))
def test_it_holds_what_was_put_and_not_removed_and_no_node_too_many(steps: list[tuple[bool, str]]) -> None:
    tree, expected = TopicTree[str](), set()
    for is_put, path in steps:
        if is_put:
            tree.put(path, path)
            expected.add(path)
        else:
            tree.remove(path)
            expected.discard(path)
    assert len(tree) == len(expected)
    assert {path for _, path in steps if tree.get(path) == path} == expected
    for path in expected:
        tree.remove(path)
    assert tree._root.below == {}


def test_one_of_ten_thousand_filters_is_found_without_looking_at_the_others() -> None:
    tree: TopicTree[int] = TopicTree()
    for number in range(10_000):
        tree.put(f"iot/v1/+/kind-{number}/#", number)
    seen = 0

    class Counting(dict[str, object]):
        def get(self, *args: object) -> object:  # type: ignore[override]
            nonlocal seen
            seen += 1
            return super().get(*args)  # type: ignore[arg-type]

    for letter in string.ascii_lowercase:
        tree.put(letter, -1)
    node = tree._root.below["iot"].below["v1"].below["+"]
    node.below = Counting(node.below)  # type: ignore[arg-type]
    assert tree.filters_of("iot/v1/d/kind-77/x") == [77]
    assert seen <= 3
