"""How far a device is with what is desired of it. Pure.

A property, that is a member of ``desired``, is pending from the moment when desired and reported begin to differ in it until they
agree. One that the device says to be in progress is pending too, whatever value it reports meanwhile.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from iotsphere.answers import BY_ITSELF, IN_PROGRESS, Answer, answer_of
from shadow.metadata import version_of

Word = Literal["applied", "pending", "in_progress", "refused", "failed"]


@dataclass(frozen=True, slots=True)
class Progress:
    """Of one property.

    Attributes:
        state: ``applied``: desired and reported agree; ``pending``: they do not, and the device has not answered; the others are
            its answer.
        since: from when on it has been pending, seconds since the Unix epoch; None when it is applied.
        code: the device's ``ac``, None without an answer.
        reason: the device's ``ad``.
    """

    state: Word
    since: float | None = None
    code: int | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Side:
    """A section with its metadata."""

    values: Mapping[str, Any]
    metadata: Mapping[str, Any]


def unsettled(desired: Side, reported: Side, difference: Mapping[str, Any]) -> list[str]:
    """The properties that are pending.

    Args:
        difference: the delta of both.
    """
    return [
        key
        for key in desired.values
        if key in difference or any(answer.code == IN_PROGRESS for answer in _answers(key, desired, reported))
    ]


def progress(desired: Side, reported: Side, difference: Mapping[str, Any], pending: Mapping[str, float]) -> dict[str, Progress]:
    """How far each desired property is.

    Args:
        pending: since when each pending property is.
    """
    return {key: _of(key in difference, list(_answers(key, desired, reported)), pending.get(key)) for key in desired.values}


def _of(differs: bool, answers: list[Answer], since: float | None) -> Progress:
    worst = max(answers, key=lambda answer: answer.code, default=None)
    if worst is not None and worst.failed and differs:
        return Progress("failed" if worst.code >= 500 else "refused", since, worst.code, worst.text)
    working = next((answer for answer in answers if answer.code == IN_PROGRESS), None)
    if working is not None:
        return Progress("in_progress", since, working.code, working.text)
    return Progress("pending", since) if differs else Progress("applied")


def _answers(key: str, desired: Side, reported: Side) -> Iterator[Answer]:
    """The device's answers to what is desired now, of a property or of its members; those to an earlier value are left out."""
    held = reported.values.get(key)
    if isinstance(held, dict):
        yield from _current(desired.values[key], held, desired.metadata.get(key, {}), reported.metadata.get(key, {}))


def _current(wanted: Any, held: Any, wanted_marks: Any, held_marks: Any) -> Iterator[Answer]:
    answer = answer_of(held)
    if answer is not None:
        asked = version_of(wanted_marks, wanted)
        given = answer.version if answer.version is not None else version_of(held_marks, held)
        if answer.code != BY_ITSELF and given >= asked:
            yield answer
    elif isinstance(wanted, dict) and isinstance(held, dict):
        for key in wanted.keys() & held.keys():
            yield from _current(wanted[key], held[key], wanted_marks.get(key, {}), held_marks.get(key, {}))
