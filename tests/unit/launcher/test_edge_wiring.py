"""Who hears of what in `edge`."""

import asyncio
from collections.abc import Collection, Sequence
from typing import Any

from broker.api import Delivery, Lane
from iotsphere.errors import StoreUnavailable
from iotsphere.registry import DeviceRecord
from launcher.edge_wiring import Fanout, Lanes, Wakes

DEVICE = DeviceRecord("d", "default", "t", "device", "active")


class Recorder:
    """Stands for a part and remembers what it was told."""

    def __init__(self, *, away: bool = False) -> None:
        self.told: list[tuple[Any, ...]] = []
        self.change: Any = None
        self._away = away

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *arguments: self.told.append((name, *arguments))

    def on_change(self, callback: Any) -> None:
        self.change = callback

    async def refresh_many(self, devices: Collection[str]) -> None:
        self.told.append(("refresh", *devices))
        if self._away:
            raise StoreUnavailable("away")

    async def kick(self, device: str, reason: str) -> None:
        self.told.append(("kick", device, reason))


async def test_each_lane_has_its_pipeline() -> None:
    committed = []

    def pipeline(lane: Lane) -> Any:
        async def commit(batch: Sequence[Delivery]) -> None:
            committed.append((lane, list(batch)))

        return commit

    given_up: list[str] = []

    async def give_up(delivery: Delivery, reason: str) -> None:
        given_up.append(reason)

    room = asyncio.Event()
    lanes = Lanes({lane: pipeline(lane) for lane in Lane}, room.wait, give_up)  # type: ignore[arg-type]
    waiting = [asyncio.create_task(lanes.commit(lane, [])) for lane in Lane]
    await asyncio.sleep(0)
    assert committed == []  # no lane takes anything while the disk is nearly full
    room.set()
    await asyncio.gather(*waiting)
    assert committed == [(lane, []) for lane in Lane]
    await lanes.give_up(Lane.SHADOW, None, ValueError("no sense"))  # type: ignore[arg-type]
    assert given_up == ["it cannot be processed: ValueError: no sense"]


def test_the_broker_s_word_reaches_whom_it_concerns() -> None:
    presence, refusals, delivery, announcer = (Recorder() for _ in range(4))
    fanout = Fanout(presence, refusals, delivery, announcer)  # type: ignore[arg-type]
    fanout.on_subscribed(DEVICE, 1, "f")
    fanout.on_delivered("d", 1, "m")
    fanout.on_refused("d", "acl", "no", None, "p")
    fanout.on_presence("p")  # type: ignore[arg-type]
    assert delivery.told == [("on_subscribed", DEVICE, 1, "f"), ("on_delivered", "d", 1, "m")]
    assert announcer.told == [("on_subscribed", DEVICE, 1, "f")]
    assert refusals.told == [("on_refused", "d", "acl", "no", None, "p")]
    assert presence.told == [("on_presence", "p")]


async def test_each_nudge_reaches_whom_it_concerns() -> None:
    broker, registry, announcer = (Recorder() for _ in range(3))
    wakes = Wakes(broker, registry, announcer)  # type: ignore[arg-type]
    wakes.start()
    wakes.on_wake("d")
    wakes.on_registry("e")
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert registry.told == [("refresh", "e")]
    assert announcer.told == [("wake", "d")]
    await wakes.stop()


async def test_a_change_that_ends_a_session_kicks_with_its_reason() -> None:
    broker, registry, announcer = (Recorder() for _ in range(3))
    wakes = Wakes(broker, registry, announcer)  # type: ignore[arg-type]
    wakes.start()
    registry.change("d", "revoked")
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert broker.told == [("kick", "d", "revoked")]
    await wakes.stop()


async def test_a_nudge_while_the_store_is_away_is_left_to_the_sweep() -> None:
    broker, registry, announcer = Recorder(), Recorder(away=True), Recorder()
    wakes = Wakes(broker, registry, announcer)  # type: ignore[arg-type]
    wakes.start()
    for device in ("a", "b"):
        wakes.on_registry(device)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    wakes.on_registry("c")
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert registry.told == [("refresh", "a", "b"), ("refresh", "c")]
    await wakes.stop()
