"""The shadow document: merge, versions, bounds. Pure, and the only place that knows these rules.

Sections are merged deeply; null deletes a key; arrays are replaced whole; an empty object inside a section is kept, an empty
section is not. Every accepted update makes one new version, also one that changes nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import msgspec

from iotsphere.errors import InvalidInput
from shadow import convergence, difference
from shadow.convergence import Progress, Side
from shadow.metadata import Mark, mark, stamp

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


@dataclass(frozen=True)
class Document:
    """One version of a shadow. Never changed: an update makes another one.

    Attributes:
        version: 0 for a document that never was; it counts on over a deletion.
        desired: None when there is nothing in it; the same for ``reported``.
        metadata: of each section, see shadow.metadata.
        desired_version: the version in which desired was last written; the same for ``reported_version``.
        deleted: there is no document now.
        timestamp: seconds since the Unix epoch of this version.
        pending: since when each desired property has not been in effect, seconds since the Unix epoch.
    """

    version: int = 0
    desired: Section | None = None
    reported: Section | None = None
    metadata: dict[str, Section] = field(default_factory=dict)
    desired_version: int = 0
    reported_version: int = 0
    deleted: bool = False
    timestamp: int = 0
    pending: dict[str, float] = field(default_factory=dict)

    @property
    def exists(self) -> bool:
        """Whether there is something to get."""
        return self.version > 0 and not self.deleted

    @cached_property
    def delta(self) -> Section | None:
        """What of desired differs from reported, None when nothing does."""
        return difference.delta(self.desired, self.reported or {}) if self.desired else None

    @property
    def state(self) -> dict[str, Section]:
        """Both sections, those that are empty left out."""
        return {name: section for name in SECTIONS if (section := getattr(self, name)) is not None}

    @property
    def progress(self) -> dict[str, Progress]:
        """How far the device is with each desired property."""
        return convergence.progress(*self._sides, self.delta or {}, self.pending)

    @property
    def unsettled(self) -> list[str]:
        """The desired properties that are not in effect."""
        return convergence.unsettled(*self._sides, self.delta or {}) if self.desired else []

    @property
    def _sides(self) -> tuple[Side, Side]:
        known = self.metadata
        return Side(self.desired or {}, known.get("desired", {})), Side(self.reported or {}, known.get("reported", {}))


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


def update(document: Document, change: Change, now: float, bounds: Bounds = Bounds(), *, editor: str | None = None) -> Document:
    """The next version.

    Args:
        now: seconds since the Unix epoch.
        editor: who writes, None for the device itself.

    Raises:
        InvalidInput: null inside an array, or too deep.
        TooLarge: desired and reported together.
    """
    patches: Mapping[str, Mapping[str, Any] | None] = dict.fromkeys(SECTIONS) if change is None else change
    by = mark(int(now), document.version + 1, editor)
    result = replace(document, version=document.version + 1, timestamp=int(now), deleted=False)
    for name, patch in patches.items():
        check(name, patch, bounds.depth - 1)
        if patch != {}:
            result = _with_section(result, name, patch, by)
    _check_size(result, bounds.size)
    return replace(result, pending={key: document.pending.get(key, now) for key in result.unsettled})


def _with_section(document: Document, name: str, patch: Mapping[str, Any] | None, by: Mark) -> Document:
    before, metadata = getattr(document, name), dict(document.metadata)
    section = (merge(before, patch) or None) if patch is not None else None
    if patch is None or section is None:
        metadata.pop(name, None)
    else:
        metadata[name] = stamp(metadata.get(name, {}), before, patch, by)
    changed: dict[str, Any] = {name: section, f"{name}_version": document.version}
    return replace(document, metadata=metadata, **changed)


def delete(document: Document, now: float) -> Document:
    """The version in which there is no document; an update makes one again and counts on."""
    version = document.version + 1
    return Document(version=version, desired_version=version, reported_version=version, deleted=True, timestamp=int(now))


def converged(before: Document, after: Document, now: float) -> dict[str, float]:
    """The properties that the device has brought into effect between two versions, and how many seconds each was pending."""
    if after.reported_version <= before.reported_version or not after.desired:
        return {}
    return {
        key: max(now - since, 0.0) for key, since in before.pending.items() if key in after.desired and key not in after.pending
    }


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
