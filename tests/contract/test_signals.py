"""What signals do, over each implementation."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from iotsphere.infra.valkey_signals import ValkeySignals
from iotsphere.signals import CLOUD_DONE, EDGE_WAKE, MemorySignals, Signals
from tests.support.waiting import until

MakeSignals = Callable[[], Signals]


@pytest.fixture(params=["memory", pytest.param("valkey", marks=pytest.mark.integration)])
async def make_signals(request: pytest.FixtureRequest) -> AsyncIterator[MakeSignals]:
    """Makes signals; stops all that were made."""
    made: list[Signals] = []

    def make() -> Signals:
        signals = MemorySignals() if request.param == "memory" else ValkeySignals(request.getfixturevalue("valkey_url"))
        made.append(signals)
        return signals

    yield make
    for signals in made:
        await signals.stop()


async def test_a_nudge_reaches_every_handler_of_its_channel_and_no_other(make_signals: MakeSignals) -> None:
    signals, first, second, other = make_signals(), [], [], []
    signals.on(EDGE_WAKE, first.append)
    signals.on(EDGE_WAKE, second.append)
    signals.on(CLOUD_DONE, other.append)
    await signals.start()
    for subject in ("a:1", "b.2", "c-3"):
        await signals.send(EDGE_WAKE, subject)
    await until(lambda: len(second) == 3)
    assert first == second == ["a:1", "b.2", "c-3"]
    assert other == []


async def test_a_nudge_that_nobody_hears_is_no_error(make_signals: MakeSignals) -> None:
    signals = make_signals()
    await signals.start()
    await signals.send(CLOUD_DONE, "x")


async def test_none_of_a_burst_is_lost(make_signals: MakeSignals) -> None:
    signals, heard = make_signals(), list[str]()
    signals.on(EDGE_WAKE, heard.append)
    await signals.start()
    await asyncio.gather(*(signals.send(EDGE_WAKE, str(number)) for number in range(200)))
    await until(lambda: sorted(map(int, heard)) == list(range(200)))
