"""What is told of a command, and in which order."""

from datetime import UTC, datetime
from typing import Any

from commands.command_table import Advanced, Step
from commands.metrics import CommandMetrics
from commands.news import MAX_NEWS, CommandNews
from commands.view import CommandView
from iotsphere.bus import MemoryBus
from iotsphere.events import DEVICE_COMMAND, CommandChanged
from iotsphere.signals import CLOUD_DONE, MemorySignals

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def advanced(number: int, status: str) -> Advanced:
    step = Step(id=f"c{number}", device="d1", target=status, at=NOW, reason={"code": "X", "text": ""}, result={"n": number})
    return Advanced(step, "sent", status, "default", "fire", NOW, True)


async def told(*news: Advanced) -> tuple[list[Any], CommandMetrics]:
    heard: list[Any] = []
    bus, signals, metrics = MemoryBus(), MemorySignals(), CommandMetrics()

    async def keep(event: Any) -> None:
        heard.append(event)

    bus.subscribe(DEVICE_COMMAND, keep)
    signals.on(CLOUD_DONE, heard.append)
    queue = CommandNews(bus, signals, metrics)
    queue.put(news)
    queue.start()
    await queue.stop()
    return heard, metrics


async def test_waiters_hear_first_and_only_of_an_end() -> None:
    heard, _ = await told(advanced(1, "in_progress"), advanced(2, "failed"))
    assert heard[0] == "c2"
    assert [event.id for event in heard[1:]] == ["c1", "c2"]
    assert heard[2] == CommandChanged(
        id="c2", device="d1", organization="default", name="fire", status="failed", at=int(NOW.timestamp() * 1000),
        reason={"code": "X", "text": ""}, result={"n": 2}, simulated=True,
    )  # fmt: skip


async def test_the_oldest_are_dropped_and_counted() -> None:
    heard, metrics = await told(*(advanced(n, "sent") for n in range(MAX_NEWS + 2)))
    assert len(heard) == MAX_NEWS
    assert heard[0].id == "c2"
    assert metrics.news_dropped._value.get() == 2


def test_a_command_is_final_when_nothing_more_is_expected() -> None:
    def view(status: str) -> CommandView:
        return CommandView(
            id="c",
            device="d",
            organization="o",
            name="n",
            params={},
            status=status,
            actor="a",
            created_at=NOW,
            expires_at=NOW,
            changed_at=NOW,
        )

    assert [status for status in ("queued", "in_progress", "timed_out", "cancelled") if view(status).final] == [
        "timed_out",
        "cancelled",
    ]
