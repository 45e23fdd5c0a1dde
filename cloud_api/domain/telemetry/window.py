"""Stretches of time in queries (pure)."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from iotsphere.errors import InvalidInput

DEFAULT_LENGTH = timedelta(hours=1)
MAX_BUCKETS = 20_000
SECONDS_BELOW = 100_000_000_000  # as ms in the year 1973, as s in the year 5138
PLUS = "%2B"  # a + in a query
EPOCH = datetime.fromtimestamp(0, UTC)  # nothing is older; an earlier moment means this one


@dataclass(frozen=True, slots=True)
class Window:
    """Readings with start <= time < end."""

    start: datetime
    end: datetime

    def clipped(self, owned_from: datetime | None) -> "Window":
        """The part that does not lie before the given moment; empty windows have start == end."""
        start = self.start if owned_from is None else max(self.start, owned_from)
        return Window(min(start, self.end), self.end)

    def check_buckets(self, step: timedelta | None) -> None:
        """Check the width of buckets; None and zero, which are no width, always pass.

        Raises:
            InvalidInput: there would be more than MAX_BUCKETS.
        """
        if step and (self.end - self.start) / step > MAX_BUCKETS:
            raise InvalidInput("resolution", f"gives more than {MAX_BUCKETS} buckets over this stretch: choose a coarser one")

    @property
    def empty(self) -> bool:
        """Whether nothing can lie in it."""
        return self.start >= self.end


def window(from_: str | None, to: str | None, now: float) -> Window:
    """The window of a query; without ``to`` it ends now, without ``from`` it is an hour long.

    Raises:
        InvalidInput: one of the two is no time or in seconds, or they are the wrong way round.
    """
    end = moment("to", to) if to is not None else datetime.fromtimestamp(now, UTC) + timedelta(milliseconds=1)
    start = moment("from", from_) if from_ is not None else end - DEFAULT_LENGTH
    if start >= end:
        raise InvalidInput("from", "must be before to")
    return Window(start, end)


def moment(field: str, text: str) -> datetime:
    """A time in a query.

    Raises:
        InvalidInput: it is none, or in seconds.
    """
    try:
        if text.removeprefix("-").isdigit():
            return _since_epoch(field, int(text))
        found = datetime.fromisoformat(text)
        if found.tzinfo is None:
            raise InvalidInput(field, f"must say its offset from UTC, such as Z or {PLUS}02:00")
        return max(EPOCH, found.astimezone(UTC))
    except (ValueError, OverflowError) as error:
        if _lost_plus(text):
            raise InvalidInput(field, f"a + in an address is read as a space: write it as {PLUS}") from error
        raise InvalidInput(field, "must be RFC 3339, such as 2026-01-31T12:00:00Z, or ms since the Unix epoch") from error


def _lost_plus(text: str) -> bool:
    """Whether a space stands where the + of an offset was."""
    moment, space, offset = text.rpartition(" ")
    try:
        return bool(space) and datetime.fromisoformat(f"{moment}+{offset}").tzinfo is not None
    except ValueError:
        return False


def _since_epoch(field: str, number: int) -> datetime:
    if 0 < number < SECONDS_BELOW:
        raise InvalidInput(field, f"must be in ms since the Unix epoch; {number} looks like seconds: send {number * 1000}")
    return max(EPOCH, EPOCH + timedelta(milliseconds=number))


def ms(moment: datetime) -> int:
    """Milliseconds since the Unix epoch."""
    return round(moment.timestamp() * 1000)
