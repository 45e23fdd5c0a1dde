"""Names and shares of simulated fleets."""

from iotsphere.devices import device_types
from iotsphere.topics import is_device_id
from launcher import simulated


def test_a_mixed_fleet_has_the_size_that_was_asked_for() -> None:
    for count in (1, 2, 3, 7, 10, 100):
        shares = simulated.shares(count)
        assert sum(share for _, share in shares) == count
        assert all(share for _, share in shares)
    assert len(simulated.shares(100)) == len(device_types())


def test_names_are_ids_and_stay_the_same() -> None:
    names = simulated.ids("demo", "some_type", 12)
    assert names[:2] == ["demo-some-type-0001", "demo-some-type-0002"]
    assert names[:5] == simulated.ids("demo", "some_type", 5)
    assert all(is_device_id(name) for name in names)
