import pytest

from cloud_api.throttle import FailureThrottle
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
