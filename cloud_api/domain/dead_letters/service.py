"""Dead letters as a user sees them: those of his organization. `edge` replays, asked through the database and a nudge."""

import asyncio

from cloud_api.auth import Principal
from cloud_api.domain.dead_letters.schemas import LetterDetail, LetterPage, ReplayView, detail, letter, lost, replay_view
from cloud_api.tenancy import Tenancy
from ingest import dead_letters_table, replays_table
from ingest.dead_letters_table import Selection
from iotsphere.errors import InvalidInput, NotFound
from iotsphere.signals import EDGE_REPLAY, Signals

LOOK_EVERY_S = 0.1


class DeadLetters:
    """Answers /dead-letters.

    Args:
        tenancy: of the telemetry database.
    """

    def __init__(self, tenancy: Tenancy, signals: Signals) -> None:
        self._tenancy, self._signals = tenancy, signals

    async def page(self, principal: Principal, wanted: Selection, cursor: str, limit: int) -> LetterPage:
        """Letters, newest first.

        Raises:
            InvalidInput: the cursor is none of ours.
        """
        before = _before(cursor)
        async with self._tenancy.transaction(principal.scope) as connection:
            rows = await dead_letters_table.page(connection, wanted, before, limit + 1)
            gone = await dead_letters_table.gone(connection)
        shown = rows[:limit]
        return LetterPage(
            items=[letter(row) for row in shown],
            next_cursor=str(shown[-1].id) if len(rows) > limit else None,
            lost=lost(gone),
        )

    async def get(self, principal: Principal, number: int) -> LetterDetail:
        """One letter with its payload.

        Raises:
            NotFound: there is none, or none that the user may see.
        """
        async with self._tenancy.transaction(principal.scope) as connection:
            found = await dead_letters_table.find(connection, number)
        if found is None:
            raise _no_letter(number)
        return detail(*found)

    async def replay(self, principal: Principal, wanted: Selection, wait: float) -> ReplayView:
        """Ask for a replay, and wait so many seconds at most for its end."""
        async with self._tenancy.transaction(principal.scope) as connection:
            asked = await replays_table.ask(connection, wanted, principal.id, principal.scope)
        await self._signals.send(EDGE_REPLAY, asked.id)
        return await self._end(principal, asked.id, wait)

    async def replay_one(self, principal: Principal, number: int, wait: float) -> ReplayView:
        """The same of one letter.

        Raises:
            NotFound: there is none, or none that the user may see.
        """
        await self.get(principal, number)
        return await self.replay(principal, Selection(ids=[number]), wait)

    async def outcome(self, principal: Principal, replay: str) -> ReplayView:
        """What became of a replay so far.

        Raises:
            NotFound: there is none, or none that the user may see.
        """
        async with self._tenancy.transaction(principal.scope) as connection:
            found = await replays_table.find(connection, replay)
        if found is None:
            raise NotFound(f"there is no replay {replay}")
        return replay_view(found)

    async def drop(self, principal: Principal, wanted: Selection) -> int:
        """Delete letters for good; how many there were."""
        async with self._tenancy.transaction(principal.scope) as connection:
            return await dead_letters_table.drop(connection, wanted)

    async def drop_one(self, principal: Principal, number: int) -> None:
        """The same of one letter.

        Raises:
            NotFound: there is none, or none that the user may see.
        """
        if not await self.drop(principal, Selection(ids=[number])):
            raise _no_letter(number)

    async def _end(self, principal: Principal, replay: str, wait: float) -> ReplayView:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + wait
        while True:
            view = await self.outcome(principal, replay)
            left = deadline - loop.time()
            if view.done or left <= 0:
                return view
            await asyncio.sleep(min(left, LOOK_EVERY_S))


def _before(cursor: str) -> int | None:
    if not cursor:
        return None
    if not (cursor.isascii() and cursor.isdecimal()) or len(cursor) > 18:
        raise InvalidInput("cursor", "must be the next_cursor of a page before")
    return int(cursor)


def _no_letter(number: int) -> NotFound:
    return NotFound(f"there is no dead letter {number}")
