"""A tree of topic levels: finds the filters that match a topic, and the topics that a filter matches, without a scan. Pure."""

from collections.abc import Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class _Node(Generic[T]):
    __slots__ = ("below", "value")

    def __init__(self) -> None:
        self.below: dict[str, _Node[T]] = {}
        self.value: T | None = None


class TopicTree(Generic[T]):
    """One value for each path. A path is a topic or a filter; the wildcards of a filter are levels like any other.

    Whoever walks it pays for the levels of what he looks for and for what he finds, not for what the tree holds.
    """

    def __init__(self) -> None:
        self._root: _Node[T] = _Node()
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def get(self, path: str) -> T | None:
        """The value of this very path."""
        node: _Node[T] | None = self._root
        for level in path.split("/"):
            if node is None:
                return None
            node = node.below.get(level)
        return None if node is None else node.value

    def put(self, path: str, value: T) -> None:
        """Set or replace."""
        node = self._root
        for level in path.split("/"):
            node = node.below.setdefault(level, _Node())
        self._size += node.value is None
        node.value = value

    def remove(self, path: str) -> None:
        """Remove the path, if it is there, and every node that leads to nothing any more."""
        nodes = [self._root]
        levels = path.split("/")
        for level in levels:
            found = nodes[-1].below.get(level)
            if found is None:
                return
            nodes.append(found)
        self._size -= nodes[-1].value is not None
        nodes[-1].value = None
        for above, level in zip(reversed(nodes[:-1]), reversed(levels), strict=True):
            below = above.below[level]
            if below.below or below.value is not None:
                return
            del above.below[level]

    def filters_of(self, topic: str) -> list[T]:
        """Values of the filters that match a topic."""
        found: list[T] = []
        nodes = [self._root]
        wild = topic[:1] != "$"  # topics that begin with $ are matched by no leading wildcard
        for level in topic.split("/"):
            nodes = [below for node in nodes for below in _matching(node, level, wild, found)]
            wild = True
        for node in nodes:
            _add(node, found)
            _add(node.below.get("#"), found)
        return found

    def topics_of(self, topic_filter: str) -> Iterator[T | None]:
        """Values of the topics that a filter matches; None for each step that finds nothing.

        Whoever takes a rest between two steps may find the tree changed: what has come or gone since may be among them or not.
        """
        return _selected(self._root, topic_filter.split("/"), 0)


def _matching(node: _Node[T], level: str, wild: bool, found: list[T]) -> Iterator[_Node[T]]:
    if wild:
        _add(node.below.get("#"), found)
        if (any_level := node.below.get("+")) is not None:
            yield any_level
    if (same := node.below.get(level)) is not None:
        yield same


def _add(node: _Node[T] | None, found: list[T]) -> None:
    if node is not None and node.value is not None:
        found.append(node.value)


def _selected(node: _Node[T], levels: list[str], depth: int) -> Iterator[T | None]:
    if depth == len(levels):
        yield node.value
    elif levels[depth] == "#":
        yield from _everything(node, plain=depth == 0)
    elif levels[depth] == "+":
        for name, below in list(node.below.items()):
            if not (depth == 0 and name.startswith("$")):
                yield from _selected(below, levels, depth + 1)
    elif (same := node.below.get(levels[depth])) is not None:
        yield from _selected(same, levels, depth + 1)
    else:
        yield None


def _everything(node: _Node[T], plain: bool) -> Iterator[T | None]:
    yield node.value
    for name, below in list(node.below.items()):
        if not (plain and name.startswith("$")):
            yield from _everything(below, plain=False)
