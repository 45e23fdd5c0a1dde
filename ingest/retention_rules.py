"""How long readings and rollups are kept. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from ingest.rollups import Level

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
    """

    raw: int
    levels: Mapping[Level, int | None] = field(default_factory=lambda: ROLLUP_DAYS)
    shorter: Mapping[str, int] = field(default_factory=dict)
