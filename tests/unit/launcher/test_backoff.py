"""Waits between restarts."""

from launcher.backoff import FIRST_S, LONGEST_S, STEADY_S, Backoff


def test_waits_double_up_to_the_longest() -> None:
    backoff = Backoff()
    waits = [backoff.after(1.0) for _ in range(12)]
    assert waits[:3] == [FIRST_S, 2 * FIRST_S, 4 * FIRST_S]
    assert waits[-1] == LONGEST_S


def test_a_steady_program_begins_anew() -> None:
    backoff = Backoff()
    for _ in range(12):
        backoff.after(1.0)
    assert backoff.after(STEADY_S) == FIRST_S
