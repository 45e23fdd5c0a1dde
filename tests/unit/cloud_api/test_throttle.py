import pytest

from cloud_api.throttle import FailureThrottle, in_words
from iotsphere.errors import TooManyRequests


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_limit_holds_for_the_window() -> None:
    clock = Clock()
    throttle = FailureThrottle(3, 60, clock)
    for clock.now in (0.0, 10.0, 20.0):
        throttle.attempt("a")
    with pytest.raises(TooManyRequests):
        throttle.attempt("a")
    throttle.attempt("b")
    clock.now = 60.0
    throttle.attempt("a")
    with pytest.raises(TooManyRequests):
        throttle.attempt("a")


def test_a_refused_attempt_does_not_prolong_the_wait() -> None:
    clock = Clock()
    throttle = FailureThrottle(1, 60, clock)
    throttle.attempt("a")
    for clock.now in (10.0, 59.0):
        with pytest.raises(TooManyRequests):
            throttle.attempt("a")
    clock.now = 60.0
    throttle.attempt("a")


def test_forgiven_attempts_do_not_count() -> None:
    throttle = FailureThrottle(2, 60, Clock())
    for _ in range(5):
        throttle.attempt("a")
        throttle.forgive("a")
    throttle.attempt("a")
    throttle.attempt("a")
    throttle.forget("a")
    throttle.check("a")


def test_memory_is_bounded() -> None:
    throttle = FailureThrottle(1, 60, Clock(), max_keys=2)
    for key in "abc":
        throttle.attempt(key)
    throttle.check("a")
    with pytest.raises(TooManyRequests):
        throttle.check("c")


def test_the_wait_is_told() -> None:
    clock = Clock()
    throttle = FailureThrottle(1, 300, clock)
    throttle.attempt("a")
    clock.now = 30.5
    with pytest.raises(TooManyRequests, match="try again in 5 minutes") as caught:
        throttle.check("a")
    assert caught.value.retry_after_s == 269.5
    assert [in_words(s) for s in (0.1, 1.5, 60, 60.1, 300)] == ["1 second", "2 seconds", "60 seconds", "2 minutes", "5 minutes"]
