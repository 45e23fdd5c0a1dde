"""Waiting before the next attempt."""

from itertools import islice
from random import Random

from device_sdk.reconnect import TWICE, ShortSessions, full_jitter


def test_the_bound_doubles_to_the_longest_and_the_wait_is_anywhere_below() -> None:
    waits = [list(islice(full_jitter(Random(seed)), 12)) for seed in range(400)]
    highest = [max(column) for column in zip(*waits, strict=True)]
    lowest = [min(column) for column in zip(*waits, strict=True)]
    for wait, bound in zip(highest, [1, 2, 4, 8, 16, 32, 60, 60, 60, 60, 60, 60], strict=True):
        assert 0.9 * bound < wait <= bound
    assert all(wait < 0.1 * bound for wait, bound in zip(lowest, highest, strict=True))


def test_devices_do_not_come_back_in_step() -> None:
    assert len({round(next(full_jitter(Random(seed))), 6) for seed in range(50)}) == 50


def test_sessions_that_end_again_and_again_within_seconds_make_it_suspicious() -> None:
    short = ShortSessions()
    said = [short.ended(0.5, "lost") for _ in range(4)]
    assert said[:2] == ["lost", "lost"]
    assert said[2] == said[3] == f"lost ({TWICE})"
    assert short.ended(60.0, "lost") == "lost"
    assert short.ended(0.5, "lost") == "lost"
