import pytest

from broker.embedded.bucket import Bucket


def test_a_burst_is_free_and_what_is_owed_is_paid_at_the_rate() -> None:
    now = 5.0
    bucket = Bucket(10, 20, lambda: now)
    bucket.tokens -= 20
    assert bucket.debt() == 0
    bucket.tokens -= 5
    assert bucket.debt() == pytest.approx(0.5)
    now += 0.4
    assert bucket.debt() == pytest.approx(0.1)
    now += 0.1
    assert bucket.debt() == pytest.approx(0)


def test_it_holds_no_more_than_a_burst() -> None:
    now = 0.0
    bucket = Bucket(10, 20, lambda: now)
    now = 1000.0
    bucket.debt()
    assert bucket.tokens == 20
