from cloud_api.domain.devices import freshness
from ingest.history import LatestValue
from tests.support.pump import PUMP

TYPES = {PUMP.key: PUMP}


def test_three_intervals_without_a_reading_are_stale() -> None:
    assert not freshness.is_stale(TYPES, PUMP.key, 70_001.0, 100_000.0)
    assert freshness.is_stale(TYPES, PUMP.key, 69_999.0, 100_000.0)
    assert freshness.is_stale(TYPES, PUMP.key, None, 100_000.0)
    assert not freshness.is_stale({}, "unheard_of", 70_001.0, 100_000.0)


def test_the_newest_counts_and_a_former_owners_does_not() -> None:
    latest = {"flow": LatestValue(1.0, 10.0), "pressure": LatestValue(2.0, 20.0)}
    assert freshness.last_data_at(latest) == 20.0
    assert freshness.last_data_at({}) is None
    assert set(freshness.since(latest, 15.0)) == {"pressure"}
    assert freshness.since(latest, None) == latest
