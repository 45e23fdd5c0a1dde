"""Times in files: what a text means is said once for a file, never guessed line by line. Pure."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo

from iotsphere.errors import InvalidInput, Refused

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
DIGITS = 40  # of a number
_UNITS = {"s": 1_000_000, "ms": 1_000, "us": 1}
RFC3339 = "rfc3339"
FORMATS = (RFC3339, *_UNITS)

ReadTime = Callable[[str], int]
"""A text to µs since the Unix epoch; raises Refused (category ``clock``)."""


def time_reader(form: str, zone: tzinfo | None) -> ReadTime:
    """How to read the times of a file.

    Args:
        form: one of FORMS, or a pattern of strptime such as ``%d.%m.%Y %H:%M:%S``.
        zone: of times that do not say theirs; None refuses them.

    Raises:
        InvalidInput: the format is none.
    """
    if form in _UNITS:
        return _numbers(_UNITS[form], form)
    if form == RFC3339:
        return lambda text: _micros(datetime.fromisoformat, text, zone, "2026-01-31T12:00:00Z")
    if "%" not in form:
        raise InvalidInput("time-format", f"must be one of {', '.join(FORMATS)}, or a pattern such as %d.%m.%Y %H:%M:%S")
    return lambda text: _micros(lambda given: datetime.strptime(given, form), text, zone, form)


def is_plain(text: str) -> bool:
    """Whether a number is written as files write it: Python takes 1_000 and the digits of every script too."""
    return len(text) <= DIGITS and text.isascii() and "_" not in text


def _numbers(factor: int, form: str) -> ReadTime:
    def read(text: str) -> int:
        try:
            if not is_plain(text):
                raise ValueError
            return round(float(text) * factor) if "." in text or "e" in text.lower() else int(text) * factor
        except (ValueError, OverflowError):
            raise Refused("clock", f"{text[:40]!r} is no number of {form}") from None

    return read


def _micros(parse: Callable[[str], datetime], text: str, zone: tzinfo | None, example: str) -> int:
    try:
        moment = parse(text)
    except ValueError:
        raise Refused("clock", f"{text[:40]!r} is no time like {example}") from None
    if moment.tzinfo is None:
        if zone is None:
            raise Refused("clock", f"{text[:40]!r} does not say its offset from UTC: give --timezone")
        moment = _in(zone, moment, text)
    return (moment - EPOCH) // _MICROSECOND


def _in(zone: tzinfo, naive: datetime, text: str) -> datetime:
    """A local time; where clocks are put back an hour comes twice, where they are put forward one never comes."""
    early, late = naive.replace(tzinfo=zone), naive.replace(tzinfo=zone, fold=1)
    if early.utcoffset() != late.utcoffset():
        raise Refused("clock", f"{text[:40]!r} comes twice or never where clocks are changed: write its offset from UTC")
    return early
