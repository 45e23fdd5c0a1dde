"""Which points of a history lie outside of what device types declare, judged by the types as they are now (pure)."""

import math
from collections.abc import Callable, Mapping, Sequence

from cloud_api.domain.telemetry.schemas import Marks
from iotsphere.devices._spec import DeviceType, Measurement

Column = Sequence[float | None]


def marks(declared: DeviceType | None, lows: Mapping[str, Column], highs: Mapping[str, Column]) -> dict[str, Marks]:
    """What is remarkable about the measurements of a device; one about which nothing is has no entry.

    Args:
        lows, highs: of each point, by measurement; a reading is both.
    """
    known = {m.key: m for m in declared.measurements} if declared else {}
    found = {key: marks_of([known[key]] if key in known else [], low, highs[key]) for key, low in lows.items()}
    return {key: one for key, one in found.items() if one is not None}


def marks_of(declared: Sequence[Measurement], lows: Column, highs: Column) -> Marks | None:
    """What is remarkable about points: outside is what no one of the types allows that declare the measurement."""
    if not declared:
        return Marks(quality="undeclared", low=None, high=None, positions=None) if lows else None
    low, high = _widest([m.low for m in declared], min), _widest([m.high for m in declared], max)
    positions = _outside(lows, highs, -math.inf if low is None else low, math.inf if high is None else high)
    return Marks(quality="out_of_range", low=low, high=high, positions=positions) if positions else None


def _widest(bounds: Column, of: Callable[[list[float]], float]) -> float | None:
    """None as soon as one is unbounded."""
    given = [bound for bound in bounds if bound is not None]
    return of(given) if len(given) == len(bounds) else None


def _outside(lows: Column, highs: Column, low: float, high: float) -> list[int]:
    below = [at for at, value in enumerate(lows) if value is not None and (value < low or value > high)]
    if highs is lows:
        return below
    above = [at for at, value in enumerate(highs) if value is not None and value > high]
    return sorted({*below, *above})
