"""What a check of `iotsphere doctor` finds."""

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Check:
    """One finding; ``advice`` says what to do when it is not ok."""

    name: str
    level: Level
    found: str
    advice: str = ""


def limit(name: str, found: str, value: float, *, warn: float, fail: float, advice: str) -> Check:
    """A finding about a value that should be high: under ``fail`` it fails, under ``warn`` it warns."""
    if value >= warn:
        return Check(name, "ok", found)
    return Check(name, "fail" if value < fail else "warn", found, advice)
