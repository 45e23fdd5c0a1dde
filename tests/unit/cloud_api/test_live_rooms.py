import pytest

from cloud_api.live_rooms import (
    EVERYONE,
    TICK_S,
    Channel,
    EveryPoint,
    LatestValues,
    Point,
    PointRates,
    all_simulated,
    channel_names,
    event_audience,
)


def point(device: str = "a", ts: float = 1.0, value: float = 0.0, measurement: str = "m", simulated: bool = False) -> Point:
    return (device, ts, measurement, value, simulated)


def test_a_room_of_one_gets_everything_in_order() -> None:
    gathering = EveryPoint(limit=3)
    gathering.add([point(value=1), point(value=2)])
    assert gathering.take() == ([point(value=1), point(value=2)], False)
    gathering.add([point(value=n) for n in range(5)])
    assert gathering.overflow == 2
    assert gathering.take() == ([point(value=n) for n in range(3)], True)
    assert gathering.take() == ([], False)


def test_a_room_of_many_gets_the_newest_by_event_time() -> None:
    gathering = LatestValues()
    gathering.add([point(ts=5, value=1), point(ts=4, value=2), point(ts=5, value=3), point("b", value=4)])
    assert gathering.take() == ([point(ts=5, value=3), point("b", value=4)], False)


def test_those_that_wait_longest_go_first_and_none_starves() -> None:
    gathering = LatestValues(per_tick=2)
    gathering.add([point(d) for d in "abc"])
    assert ([p[0] for p in gathering.take()[0]], len(gathering)) == (["a", "b"], 1)
    gathering.add([point(d, ts=2) for d in "abc"])
    points, truncated = gathering.take()
    assert ([p[0] for p in points], truncated) == (["c", "a"], True)
    points, truncated = gathering.take()
    assert ([p[0] for p in points], truncated) == (["b"], False)


def test_keys_are_bounded_and_counted() -> None:
    gathering = LatestValues(max_keys=2)
    gathering.add([point(d) for d in "abcd"])
    assert (len(gathering), gathering.overflow) == (2, 2)
    gathering.add([point("a", ts=9)])
    assert gathering.take()[0][0][1] == 9


def test_quiet_at_once_busy_by_tick() -> None:
    channel = Channel("device:a", ("x",), EveryPoint())
    assert channel.due_in(100.0) == 0
    channel.gathering.add([point()])
    message = channel.take(100.0, 5)
    assert message == {"room": "device:a", "seq": 1, "sent_at": 5, "simulated": False, "points": [point()], "truncated": False}
    assert channel.due_in(100.1) == pytest.approx(TICK_S - 0.1)
    assert channel.due_in(100.0 + TICK_S) == 0
    assert channel.take(101.0, 6)["seq"] == 2


def test_simulated_is_true_false_or_mixed() -> None:
    assert all_simulated([point(simulated=True)]) is True
    assert all_simulated([point()]) is False
    assert all_simulated([]) is False
    assert all_simulated([point(), point(simulated=True)]) is None


def test_nobody_shares_an_inner_room_with_another_scope() -> None:
    mine = {room for _, _, audience in channel_names("d", "t", "one") for room in audience}
    theirs = {room for _, _, audience in channel_names("d", "t", "two") for room in audience}
    assert {room.rpartition("@")[2] for room in mine & theirs} == {EVERYONE}
    assert set(event_audience("d", "t", "one")) == mine


def test_rates_cover_the_last_minute() -> None:
    rates = PointRates()
    for second in range(100):
        rates.add("one" if second % 2 else "two", 10, 1000.0 + second)
    assert rates.last_minute(EVERYONE, 1099.0) == 600
    assert rates.last_minute("one", 1099.0) == 300
    assert rates.last_minute("three", 1099.0) == 0
    assert rates.last_minute(EVERYONE, 1200.0) == 0
