"""The fair queue."""

import asyncio

from broker.embedded.turns import Turns


class Visits:
    """Who is in, in the order of coming in; each stays until it is let go."""

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self._doors: dict[str, asyncio.Event] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}
        self.came: list[str] = []

    async def come(self, *names: str) -> None:
        """``a1`` comes from address ``a``."""
        for name in names:
            self._doors[name] = asyncio.Event()
            self.tasks[name] = asyncio.create_task(self._stay(name))
        await asyncio.sleep(0)

    async def _stay(self, name: str) -> None:
        async with self._turns.of(name[0]):
            self.came.append(name)
            await self._doors[name].wait()

    async def go(self, name: str) -> list[str]:
        """Returns who came in for it."""
        before = len(self.came)
        self._doors[name].set()
        for _ in range(4):
            await asyncio.sleep(0)
        return self.came[before:]


async def test_each_address_in_turn_not_each_visitor() -> None:
    visits = Visits(Turns(2, 1))
    await visits.come("a1", "a2", "a3", "b1", "b2", "c1")
    assert visits.came == ["a1", "b1"]
    assert await visits.go("a1") == ["a2"]
    assert await visits.go("b1") == ["b2"]
    assert await visits.go("a2") == ["c1"]  # before a3, who came earlier
    assert await visits.go("b2") == ["a3"]


async def test_one_address_never_fills_all_places() -> None:
    visits = Visits(Turns(4, 2))
    await visits.come("a1", "a2", "a3", "a4", "b1")
    assert visits.came == ["a1", "a2", "b1"]
    assert await visits.go("b1") == []
    assert await visits.go("a1") == ["a3"]


async def test_who_gives_up_leaves_no_hole() -> None:
    visits = Visits(Turns(1, 1))
    await visits.come("a1", "a2", "b1")
    visits.tasks["a2"].cancel()
    await asyncio.sleep(0)
    assert await visits.go("a1") == ["b1"]
    await visits.come("c1")
    visits._doors["b1"].set()
    await asyncio.sleep(0)
    visits.tasks["c1"].cancel()  # at the very moment at which its turn comes
    await asyncio.sleep(0)
    await visits.come("d1")
    await asyncio.sleep(0)
    assert visits.came[-1] == "d1"
