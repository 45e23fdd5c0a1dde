"""How long readings and rollups are kept. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal

from ingest.rollups import Level
from ingest.validate import Window

Kept = Literal["raw", "1m", "1h", "1d"]
INSTALLATION = "*"
LEVELS: Mapping[Kept, Level] = {"1m": Level.MINUTE, "1h": Level.HOUR, "1d": Level.DAY}
ROLLUP_DAYS: Mapping[Level, int | None] = {Level.MINUTE: 365, Level.HOUR: 3650, Level.DAY: None}


@dataclass(frozen=True, slots=True)
class Retention:
    """Days that readings and rollups are kept.

    Attributes:
        levels: of rollups; None keeps them for ever.
        shorter: of raw readings, by organization; never longer than ``raw``.
        gone: raw readings before that moment have been let go, by organization and for the installation. One that came now would
            take the place of a rollup of them, so it is not taken, though they may be kept longer by now.
    """

    raw: int
    levels: Mapping[Level, int | None] = field(default_factory=lambda: ROLLUP_DAYS)
    shorter: Mapping[str, int] = field(default_factory=dict)
    gone: Mapping[str, datetime] = field(default_factory=dict, compare=False)

    def window(self, now: float, organization: str = INSTALLATION) -> Window:
        """Which times of an organization's readings are taken at a moment (ms)."""
        window = Window.at(now, self.shorter.get(organization, self.raw))
        gone = [self.gone[who].timestamp() * 1000 for who in (INSTALLATION, organization) if who in self.gone]
        return replace(window, low=max([window.low, *gone]))

    def narrower(self, now: float) -> Mapping[str, Window]:
        """The windows of the organizations of which fewer readings are taken than of the others."""
        low = self.window(now).low
        windows = {who: self.window(now, who) for who in self.shorter.keys() | self.gone.keys()}
        return {who: window for who, window in windows.items() if window.low > low}
