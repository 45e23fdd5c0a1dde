"""How long to wait before a program that ended is started again."""

FIRST_S, LONGEST_S = 0.2, 15.0
STEADY_S = 10.0


class Backoff:
    """Doubles the wait with each early end; a program that ran for STEADY_S seconds begins anew."""

    def __init__(self) -> None:
        self._next = FIRST_S

    def after(self, ran_s: float) -> float:
        """Seconds to wait, given how long the program ran."""
        if ran_s >= STEADY_S:
            self._next = FIRST_S
        wait = self._next
        self._next = min(self._next * 2, LONGEST_S)
        return wait
