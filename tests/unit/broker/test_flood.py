from broker.embedded.flood import Flood


def test_the_limit_is_borne_and_one_more_is_too_many():
    now = 0.0
    flood = Flood(3, 10.0, lambda: now)
    assert [flood.hit() for _ in range(4)] == [False, False, False, True]


def test_old_events_do_not_count():
    now = 0.0
    flood = Flood(2, 10.0, lambda: now)
    assert not flood.hit()
    assert not flood.hit()
    now = 10.0
    assert not flood.hit()
