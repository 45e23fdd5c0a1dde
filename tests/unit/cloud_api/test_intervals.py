"""What is declared is not looked for, and what is looked for is remembered for a minute."""

from collections.abc import Mapping
from datetime import UTC, datetime

from cloud_api.domain.devices.intervals import KEPT_S, Intervals
from ingest.history import History
from tests.support.pump import PUMP


class Readings(History):
    """Knows one device."""

    def __init__(self) -> None:
        self.asked: list[dict[str, datetime | None]] = []

    async def median_gaps_s(self, devices: Mapping[str, datetime | None]) -> Mapping[str, float]:
        self.asked.append(dict(devices))
        return {"known": 7.0}


async def test_intervals() -> None:
    readings, moments = Readings(), [0.0, KEPT_S - 1, KEPT_S]
    intervals = Intervals(readings, {PUMP.key: PUMP}, lambda: moments.pop(0))
    wanted = [("pump", PUMP.key, None), ("known", "?", None), ("unknown", "?", None)]
    for _ in range(3):
        assert await intervals.of(wanted) == {"pump": 10.0, "known": 7.0, "unknown": None}
    assert readings.asked == [{"known": None, "unknown": None}] * 2


async def test_a_new_owner_is_not_told_what_the_former_one_was() -> None:
    readings, transferred = Readings(), datetime(2026, 1, 1, tzinfo=UTC)
    intervals = Intervals(readings, {}, lambda: 0.0)
    await intervals.of([("known", "?", None)])
    await intervals.of([("known", "?", transferred)])
    assert readings.asked == [{"known": None}, {"known": transferred}]
