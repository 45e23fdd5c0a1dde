"""What is wrong with one message, and how much of it is told. Pure."""

from collections.abc import Iterator

from ingest.batch import DeadLetter, letter
from iotsphere.delivery import Delivery
from iotsphere.errors import Refused

LETTERS_OF_A_MESSAGE = 20  # a message may hold thousands of bad values, and each letter keeps the payload


class Refusals:
    """The first ones become a letter each, all others one together: what is good among them is stored all the same.

    Attributes:
        crowded: values whose names, or which themselves, are too many: one letter for all.
    """

    __slots__ = ("_left", "_told", "crowded")

    def __init__(self) -> None:
        self._told: list[tuple[str | None, Refused]] = []
        self._left = 0
        self.crowded = 0

    def __len__(self) -> int:
        return len(self._told) + self._left + self.crowded

    def add(self, measurement: str | None, error: Refused) -> None:
        """One value is refused, or (None) a whole message."""
        if len(self._told) >= LETTERS_OF_A_MESSAGE:
            self._left += 1
        else:
            self._told.append((measurement, error))

    def letters(self, delivery: Delivery) -> Iterator[DeadLetter]:
        """The dead letters of the delivery."""
        for measurement, error in self._told:
            yield letter(delivery, measurement, error.category, error.reason)
        if self._left:
            yield letter(delivery, None, self._told[-1][1].category, f"{self._left} more values or messages of it are refused")
        if self.crowded:
            yield letter(delivery, None, "validation", f"too many measurement names: {self.crowded} values are not stored")
