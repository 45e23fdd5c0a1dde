"""Who goes first when the rows of a batch may be those of one that another connection of the same writer is committing."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

LONGEST_WAIT = 0.25  # s; the earlier one may be waiting for a row of this one, or for the server


class Turn:
    """A batch's place in the order."""

    def __init__(self, earlier: "tuple[asyncio.Future[None], ...]") -> None:
        self._earlier = earlier

    async def come(self) -> None:
        """Returns when every earlier batch that began with COPY is through, and after LONGEST_WAIT at the latest."""
        waiting = [batch for batch in self._earlier if not batch.done()]
        if waiting:
            await asyncio.wait(waiting, timeout=LONGEST_WAIT)


class Precedence:
    """The batches under way that copy their rows, in the order in which they began.

    A batch that repeats rows of an earlier one must not add them before that one comes to them: it would be refused, or each
    would hold a row that the other one waits for, and PostgreSQL looks for deadlocks only after a second.
    """

    def __init__(self) -> None:
        self._copying: list[asyncio.Future[None]] = []

    @contextmanager
    def turn(self, *, copies: bool) -> Iterator[Turn]:
        """Around the commit of a batch.

        Args:
            copies: later ones let it pass. Not when it merges, as they do: those go by the order of the key.
        """
        done = asyncio.get_running_loop().create_future()
        turn = Turn(tuple(self._copying))
        if copies:
            self._copying.append(done)
        try:
            yield turn
        finally:
            if copies:
                self._copying.remove(done)
            done.set_result(None)
