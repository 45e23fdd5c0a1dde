"""What is declared is not looked for, and what is looked for is remembered for a minute."""

from collections.abc import Mapping, Sequence

from cloud_api.domain.devices.intervals import KEPT_S, Intervals
from ingest.history import History
from tests.support.pump import PUMP


class Readings(History):
    """Knows one device."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []

    async def median_gaps_s(self, devices: Sequence[str]) -> Mapping[str, float]:
        self.asked.append(list(devices))
        return {"known": 7.0}


async def test_intervals() -> None:
    readings, moments = Readings(), [0.0, KEPT_S - 1, KEPT_S]
    intervals = Intervals(readings, {PUMP.key: PUMP}, lambda: moments.pop(0))
    wanted = [("pump", PUMP.key), ("known", "?"), ("unknown", "?")]
    for _ in range(3):
        assert await intervals.of(wanted) == {"pump": 10.0, "known": 7.0, "unknown": None}
    assert readings.asked == [["known", "unknown"]] * 2
