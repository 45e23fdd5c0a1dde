"""A device's answers to what is desired: applied, in progress, refused, failed. They go into the reported section."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from iotsphere.answers import plain

APPLIED, IN_PROGRESS, REFUSED, FAILED = 200, 202, 400, 500


@dataclass(frozen=True, slots=True)
class WishAnswer:
    """Reported in place of a value.

    Attributes:
        code: as in HTTP.
        text: why, for people.
        value: what holds now; None: what was reported last, by an earlier run too.
    """

    code: int
    text: str = ""
    value: Any = None

    def on_the_wire(self, version: int, held: Any) -> dict[str, Any]:
        """With the version of the wish that it answers, and what holds now. Without a text an earlier one is taken back, for
        answers are merged."""
        now = held if self.value is None else self.value
        value = {} if now is None else {"value": now}
        return {**value, "ac": self.code, "av": version, "ad": self.text or None}


def applied(value: Any) -> WishAnswer:
    """It is so now. The plain value says the same."""
    return WishAnswer(APPLIED, value=value)


def in_progress(text: str = "", *, value: Any = None) -> WishAnswer:
    """It will take a while; report again when it is done. ``value`` is what holds meanwhile."""
    return WishAnswer(IN_PROGRESS, text, value)


def refused(text: str, *, value: Any = None, code: int = REFUSED) -> WishAnswer:
    """The device will not do it: ``value`` stays. ``code`` is of 400 to 499."""
    return WishAnswer(code, text, value)


def failed(text: str, *, value: Any = None, code: int = FAILED) -> WishAnswer:
    """It was tried and did not work. ``code`` is of 500 to 599."""
    return WishAnswer(code, text, value)


def on_the_wire(properties: Mapping[str, Any], version: int, reported: Mapping[str, Any]) -> dict[str, Any]:
    """Reported properties as they are sent.

    Args:
        version: of the desired section that answers are for.
        reported: before; what an answer does not change holds on. An answer to what was never reported has no value.
    """
    return {
        key: value.on_the_wire(version, plain(reported.get(key))) if isinstance(value, WishAnswer) else value
        for key, value in properties.items()
    }
