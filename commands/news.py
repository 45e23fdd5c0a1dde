"""Tells the bus and the waiters what was committed, without anybody waiting for it."""

from collections.abc import Iterable, Mapping
from itertools import count

from commands.command_table import Advanced
from commands.lifecycle import FINAL
from commands.metrics import CommandMetrics
from commands.outcome import told
from iotsphere.bus import Publisher
from iotsphere.events import CommandChanged
from iotsphere.infra.worker import Worker
from iotsphere.signals import CLOUD_DONE, Signals

MAX_NEWS = 10_000


def changed(advanced: Advanced) -> CommandChanged:
    """The event that tells of a new state."""
    step = advanced.step
    at = step.at or step.delivered_at or step.sent_at
    return CommandChanged(
        id=step.id,
        device=step.device,
        organization=advanced.organization,
        name=advanced.name,
        status=advanced.status,
        at=int(at.timestamp() * 1000) if at else 0,
        reason=dict(step.reason) if step.reason else None,
        result=dict(step.result) if step.result is not None else None,
        simulated=advanced.simulated,
        parked=advanced.parked,
    )


class CommandNews:
    """A bounded queue; policy: drop the oldest, counted. PostgreSQL has it all, and waiters look there by themselves too."""

    def __init__(self, bus: Publisher, signals: Signals, metrics: CommandMetrics) -> None:
        self._bus, self._signals = bus, signals
        self._numbers = count()
        self._worker: Worker[int, Advanced] = Worker("command-news", self._tell, bound=MAX_NEWS, on_drop=metrics.news_dropped.inc)
        self.start, self.stop = self._worker.start, self._worker.stop

    def put(self, news: Iterable[Advanced]) -> None:
        """Leave news; returns at once."""
        for advanced in news:
            self._worker.put(next(self._numbers), advanced)

    async def _tell(self, news: Mapping[int, Advanced]) -> None:
        for advanced in news.values():
            if advanced.status in FINAL:  # first: somebody may be waiting for just this
                await self._signals.send(CLOUD_DONE, told(advanced.step.id, advanced.outcome))
        for advanced in news.values():
            await self._bus.publish(changed(advanced))
