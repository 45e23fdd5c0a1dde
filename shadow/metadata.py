"""When each part of a section was last written, by whom, in which version. Pure.

The metadata of a section has its shape. In the place of a leaf stands a mark; an object has, beside those of its members, a mark
of its own under NODE: when anything in it was last written or removed. An array is a leaf.
"""

from collections.abc import Mapping
from typing import Any

Section = dict[str, Any]
Mark = Mapping[str, Any]
"""``timestamp`` in seconds since the Unix epoch, ``version`` of the document, ``editor`` unless the device itself wrote it."""
NODE = "$"


def mark(timestamp: int, version: int, editor: str | None = None) -> Mark:
    """What stands for a value that was written."""
    return {"timestamp": timestamp, "version": version} | ({} if editor is None else {"editor": editor})


def stamp(metadata: Mapping[str, Any], before: Any, patch: Mapping[str, Any], by: Mark) -> Section:
    """The metadata of a section after a merge patch. A leaf that is written with the same value gets a new mark.

    Args:
        before: the section itself, because a leaf's mark looks like an object.
    """
    stamped = dict(metadata)
    known = before if isinstance(before, dict) else {}
    for key, value in patch.items():
        if value is None:
            stamped.pop(key, None)
        elif isinstance(value, Mapping):
            inner = known.get(key)
            stamped[key] = stamp(stamped.get(key, {}) if isinstance(inner, dict) else {}, inner, value, by)
        else:
            stamped[key] = by
    if NODE not in known and NODE not in patch:  # a member of that name keeps its place
        stamped[NODE] = by
    return stamped


def pick(metadata: Mapping[str, Any], part: Mapping[str, Any]) -> Section:
    """The marks of those leaves that a part of the section holds."""
    return {
        key: pick(metadata.get(key, {}), value) if isinstance(value, Mapping) else metadata.get(key, {})
        for key, value in part.items()
    }


def times(metadata: Mapping[str, Any], part: Mapping[str, Any]) -> Section:
    """As pick(), with nothing but the timestamp in each mark: what AWS's clients know."""
    return {
        key: times(metadata.get(key, {}), value)
        if isinstance(value, Mapping)
        else {"timestamp": metadata.get(key, {}).get("timestamp", 0)}
        for key, value in part.items()
    }


def version_of(metadata: Any, value: Any) -> int:
    """The version in which a value, or anything in it, was last written; 0 when that was never noted."""
    own = metadata.get(NODE, {}) if isinstance(value, Mapping) else metadata
    found = own.get("version", 0)
    return found if isinstance(found, int) else 0
