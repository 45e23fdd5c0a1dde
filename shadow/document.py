"""The shadow document: merge, delta, versions, metadata, bounds. Pure, and the only place that knows these rules.

Sections are merged deeply; null deletes a key; arrays are replaced whole; an empty object inside a section is kept, an empty
section is not. Every accepted update makes one new version, also one that changes nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from iotsphere.errors import InvalidInput

Section = dict[str, Any]
SECTIONS = ("desired", "reported")
Change = Mapping[str, Mapping[str, Any] | None] | None
"""The ``state`` of an update: partial sections; a section of None is dropped, a state of None drops both."""

decode = msgspec.json.decode
encode = msgspec.json.encode


class TooLarge(InvalidInput):
    """The document would be larger than its bound."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How large a document may become.

    Attributes:
        size: bytes of JSON of desired and reported together; metadata does not count.
        depth: levels of objects and arrays; the section itself is the first.
    """

    size: int = 32 * 1024
    depth: int = 8


@dataclass(frozen=True, slots=True)
class Document:
    """One version of a shadow. Never changed: an update makes another one.

    Attributes:
        version: 0 for a document that never was; it counts on over a deletion.
        desired: None when there is nothing in it; the same for ``reported``.
        metadata: for every leaf of a section when it was last written: ``{"timestamp": seconds}``.
        desired_version: the version in which desired was last written; the same for ``reported_version``.
        deleted: there is no document now.
        timestamp: seconds since the Unix epoch of this version.
    """

    version: int = 0
    desired: Section | None = None
    reported: Section | None = None
    metadata: dict[str, Section] = field(default_factory=dict)
    desired_version: int = 0
    reported_version: int = 0
    deleted: bool = False
    timestamp: int = 0

    @property
    def exists(self) -> bool:
        """Whether there is something to get."""
        return self.version > 0 and not self.deleted

    @property
    def delta(self) -> Section | None:
        """What of desired differs from reported, None when nothing does."""
        return delta(self.desired or {}, self.reported or {})

    @property
    def state(self) -> dict[str, Section]:
        """Both sections, those that are empty left out."""
        return {name: section for name in SECTIONS if (section := getattr(self, name)) is not None}


def merge(target: Any, patch: Mapping[str, Any]) -> Section:
    """The target with the patch merged into it (RFC 7396); neither is changed."""
    merged: Section = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, Mapping):
            merged[key] = merge(merged.get(key), value)
        else:
            merged[key] = value
    return merged


def delta(desired: Mapping[str, Any], reported: Mapping[str, Any]) -> Section | None:
    """What of desired is missing in reported or differs there, with the path to it; None when nothing is."""
    found: Section = {}
    for key, wanted in desired.items():
        if key not in reported:
            found[key] = wanted
        elif isinstance(wanted, dict) and isinstance(reported[key], dict):
            if (inner := delta(wanted, reported[key])) is not None:
                found[key] = inner
        elif not same(wanted, reported[key]):
            found[key] = wanted
    return found or None


def same(one: Any, other: Any) -> bool:
    """Equality of JSON values: 21 is 21.0, but 1 is not true."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def stamp(metadata: Mapping[str, Any], before: Any, patch: Mapping[str, Any], timestamp: int) -> Section:
    """The metadata of a section after the patch: when each leaf was last written.

    ``before`` is the section itself, because a leaf's stamp looks like an object.
    """
    stamped = dict(metadata)
    known = before if isinstance(before, dict) else {}
    for key, value in patch.items():
        if value is None:
            stamped.pop(key, None)
        elif isinstance(value, Mapping):
            inner = known.get(key)
            stamped[key] = stamp(stamped.get(key, {}) if isinstance(inner, dict) else {}, inner, value, timestamp)
        else:
            stamped[key] = {"timestamp": timestamp}
    return stamped


def pick(metadata: Mapping[str, Any], part: Mapping[str, Any]) -> Section:
    """The metadata of those keys that a delta holds; of a whole desired value where it holds that."""
    return {
        key: pick(metadata.get(key, {}), value) if isinstance(value, Mapping) else metadata.get(key, {})
        for key, value in part.items()
    }


def update(document: Document, change: Change, timestamp: int, bounds: Bounds = Bounds()) -> Document:
    """The next version.

    Raises:
        InvalidInput: null inside an array, or too deep.
        TooLarge: desired and reported together.
    """
    patches: Mapping[str, Mapping[str, Any] | None] = dict.fromkeys(SECTIONS) if change is None else change
    changed: dict[str, Any] = {"version": document.version + 1, "timestamp": timestamp, "deleted": False}
    metadata = dict(document.metadata)
    for name, patch in patches.items():
        if patch is not None:
            check(name, patch, bounds.depth - 1)
        section = getattr(document, name)
        if patch == {}:
            continue
        changed[name] = (merge(section, patch) or None) if patch is not None else None
        changed[f"{name}_version"] = document.version + 1
        metadata[name] = stamp(metadata.get(name, {}), section, patch, timestamp) if patch is not None else {}
        if changed[name] is None:
            metadata.pop(name, None)
    result = replace(document, metadata=metadata, **changed)
    _check_size(result, bounds.size)
    return result


def delete(document: Document, timestamp: int) -> Document:
    """The version in which there is no document; an update makes one again and counts on."""
    version = document.version + 1
    return Document(version=version, desired_version=version, reported_version=version, deleted=True, timestamp=timestamp)


def check(path: str, value: Any, depth: int) -> None:
    """Check what will become part of a document.

    Raises:
        InvalidInput: null inside an array, or deeper than ``depth``.
    """
    if not isinstance(value, Mapping | list):
        return
    if depth < 0:
        raise InvalidInput(path, "is nested too deeply")
    if isinstance(value, list) and any(item is None for item in value):
        raise InvalidInput(path, "null is not allowed inside an array")
    items = value.items() if isinstance(value, Mapping) else enumerate(value)
    for key, inner in items:
        check(f"{path}.{key}", inner, depth - 1)


def _check_size(document: Document, bound: int) -> None:
    size = sum(len(encode(section)) for section in document.state.values())
    if size > bound:
        raise TooLarge("state", f"desired and reported together would be {size} bytes; {bound} are allowed")
