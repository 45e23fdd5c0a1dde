from dataclasses import replace

from cloud_api.domain.devices import freshness
from ingest.history import LatestValue
from tests.support.pump import PUMP

SPORADIC = replace(PUMP, key="sporadic", measurements=tuple(replace(m, interval_s=None) for m in PUMP.measurements))
TYPES = {PUMP.key: PUMP, SPORADIC.key: SPORADIC}


def test_the_shortest_declared_interval_counts() -> None:
    both = replace(PUMP, key="both", measurements=(*SPORADIC.measurements, replace(PUMP.measurements[0], interval_s=7.0)))
    found = [
        freshness.declared_interval_s({**TYPES, "both": both}, key) for key in (PUMP.key, SPORADIC.key, "both", "unheard of")
    ]
    assert found == [10.0, None, 7.0, None]


def test_three_intervals_without_a_reading_are_stale() -> None:
    after = freshness.stale_after_s(10.0)
    assert freshness.is_stale(70_001.0, after, 100_000.0) is False
    assert freshness.is_stale(69_999.0, after, 100_000.0) is True
    assert freshness.is_stale(None, after, 100_000.0) is True
    assert freshness.is_stale(69_999.0, after, 100_000.0, connected=False) is False


def test_without_an_interval_nobody_knows_unless_nothing_ever_came() -> None:
    after = freshness.stale_after_s(None)
    assert freshness.is_stale(0.0, after, 1e12) is None
    assert freshness.is_stale(None, after, 1e12) is True


def test_the_newest_counts_and_a_former_owners_does_not() -> None:
    latest = {"flow": LatestValue(1.0, 10.0), "pressure": LatestValue(2.0, 20.0)}
    assert freshness.last_data_at(latest) == 20.0
    assert freshness.last_data_at({}) is None
    assert set(freshness.since(latest, 15.0)) == {"pressure"}
    assert freshness.since(latest, None) == latest
