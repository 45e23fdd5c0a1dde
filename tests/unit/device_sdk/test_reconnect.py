"""Waiting before the next attempt."""

from random import Random

from device_sdk.reconnect import ELSEWHERE, TWICE, FullJitter, ShortSessions


def waits(seed: int, count: int = 12) -> list[float]:
    jitter = FullJitter(Random(seed))
    return [jitter.next() for _ in range(count)]


def test_the_bound_doubles_to_the_longest_and_the_wait_is_anywhere_below() -> None:
    columns = list(zip(*map(waits, range(400)), strict=True))
    for column, bound in zip(columns, [1, 2, 4, 8, 16, 32, 60, 60, 60, 60, 60, 60], strict=True):
        assert 0.9 * bound < max(column) <= bound
        assert min(column) < 0.1 * bound


def test_devices_do_not_come_back_in_step() -> None:
    assert len({round(waits(seed)[0], 6) for seed in range(50)}) == 50


def test_only_a_session_that_lasted_longer_than_the_wait_calms_it() -> None:
    highest = Random()
    highest.uniform = lambda low, high: high  # type: ignore[method-assign]
    jitter = FullJitter(highest)
    assert [jitter.next() for _ in range(3)] == [1, 2, 4]
    jitter.served(3.0)
    assert jitter.next() == 8
    jitter.served(16.0)
    assert jitter.next() == 1


def test_sessions_that_end_again_and_again_within_seconds_make_it_suspicious() -> None:
    short = ShortSessions()
    said = [short.ended(0.5, "lost") for _ in range(4)]
    assert said[:2] == ["lost", "lost"]
    assert said[2] == said[3] == f"lost ({TWICE})"
    assert short.ended(60.0, "lost") == "lost"
    assert short.ended(0.5, "lost") == "lost"


def test_an_end_without_a_reason_names_what_it_may_have_been() -> None:
    for error in ("the connection ended: Unspecified error", "Disconnected during message iteration"):
        assert ShortSessions().ended(60.0, error) == ELSEWHERE
    assert ShortSessions().ended(60.0, "Keep alive timeout") == "Keep alive timeout"
