"""How finely a stretch is read: reading by reading, or in buckets of a width of rollups.STEPS. Pure."""

from collections.abc import Mapping
from datetime import timedelta

from ingest.rollups import STEPS

RAW = timedelta()
"""Reading by reading."""

_UNITS = (("d", timedelta(days=1)), ("h", timedelta(hours=1)), ("m", timedelta(minutes=1)))
AGGREGATES = ("min", "max", "avg", "count", "sum", "first", "last")


def name_of(step: timedelta) -> str:
    """Such as ``15m``; ``raw`` for RAW."""
    if step == RAW:
        return "raw"
    unit, width = next((unit, width) for unit, width in _UNITS if step % width == timedelta())
    return f"{step // width}{unit}"


RESOLUTIONS: Mapping[str, timedelta] = {name_of(step): step for step in (RAW, *STEPS)}
