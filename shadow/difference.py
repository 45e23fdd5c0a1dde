"""What of desired is not reported. Pure."""

from collections.abc import Mapping
from typing import Any

from iotsphere.answers import answer_of

Section = dict[str, Any]


def delta(desired: Mapping[str, Any], reported: Mapping[str, Any]) -> Section | None:
    """What of desired is missing in reported or differs there, with the path to it; None when nothing is.

    A reported value that is an answer (see iotsphere.answers) counts with the value in it.
    """
    found: Section = {}
    for key, wanted in desired.items():
        if key not in reported:
            found[key] = wanted
        elif (inner := _of_value(wanted, reported[key])) is not None:
            found[key] = inner[0]
    return found or None


def _of_value(wanted: Any, held: Any) -> tuple[Any] | None:
    """What of one desired value differs, in a tuple of its own; None when nothing does."""
    if not isinstance(held, dict):
        return None if same(wanted, held) else (wanted,)
    if (answer := answer_of(held)) is not None and answer_of(wanted) is None:
        met = _of_value(wanted, answer.value) is None
        return None if met else (wanted,)
    if not isinstance(wanted, dict):
        return (wanted,)
    inner = delta(wanted, held)
    return None if inner is None else (inner,)


def same(one: Any, other: Any) -> bool:
    """Equality of JSON values: 21 is 21.0, but 1 is not true."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def patch_to(old: Mapping[str, Any], new: Mapping[str, Any]) -> Section:
    """The smallest merge patch (RFC 7396) that makes ``new`` of ``old``; ``new`` holds no null."""
    patch: Section = dict.fromkeys(key for key in old if key not in new)
    for key, value in new.items():
        held = old.get(key)
        if isinstance(value, dict) and isinstance(held, dict):
            if inner := patch_to(held, value):
                patch[key] = inner
        elif key not in old or not _identical(value, held):
            patch[key] = value
    return patch


def _identical(one: Any, other: Any) -> bool:
    return type(one) is type(other) and same(one, other)
