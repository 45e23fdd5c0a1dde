"""A device's answer to a desired value: ``{"value", "ac", "av", "ad"}``, the shape of Azure's Plug and Play convention. Pure.

``ac`` says how it went, as in HTTP: 200 applied, 202 in progress, 4xx refused, 5xx failed; 203 is a value that the device set by
itself. ``av`` is the version of the document that is answered, ``ad`` says why. ``value`` is what holds now.
"""

from dataclasses import dataclass
from typing import Any

IN_PROGRESS, BY_ITSELF = 202, 203
ABSENT = object()
"""The value of an answer that tells none."""
_KEYS = frozenset({"value", "ac", "av", "ad"})


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer.

    Attributes:
        value: what holds now, ABSENT when the device does not say.
        code: as in HTTP.
        version: of the document that is answered, None when the device does not say.
        text: why, for people.
    """

    value: Any
    code: int
    version: int | None
    text: str

    @property
    def failed(self) -> bool:
        """Whether it tells that the value will not come to be: refused, or failed."""
        return self.code >= 400


def answer_of(reported: Any) -> Answer | None:
    """The answer that a reported value is, None for any other value.

    An object counts as an answer when it holds nothing but the convention's members: ``ac`` as an integer of 200 to 599, and
    ``value`` or ``av``.
    """
    if not isinstance(reported, dict) or "ac" not in reported or not reported.keys() <= _KEYS:
        return None
    code, version, text = reported["ac"], reported.get("av"), reported.get("ad")
    if not _is_integer(code) or not 200 <= code <= 599 or not ("value" in reported or _is_integer(version)):
        return None
    return Answer(
        value=reported.get("value", ABSENT),
        code=code,
        version=version if _is_integer(version) else None,
        text=text if isinstance(text, str) else "",
    )


def plain(reported: Any) -> Any:
    """The value itself, out of its answer if it is one; None when the answer tells no value."""
    answer = answer_of(reported)
    if answer is None:
        return reported
    return None if answer.value is ABSENT else answer.value


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
