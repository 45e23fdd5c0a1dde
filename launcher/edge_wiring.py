"""How the parts of `edge` hear of each other: the broker's word to whom it concerns, a batch to its lane, a nudge to all."""

from collections.abc import Awaitable, Callable, Mapping, Sequence

from broker.api import Broker, Delivery, Lane, SessionReason
from broker.presence import PresenceWriter
from broker.refusals import RefusalWriter
from broker.registry_cache import RegistryCache
from iotsphere.errors import StoreUnavailable
from iotsphere.infra.worker import Worker
from iotsphere.registry import DeviceRecord
from launcher.edge_commands import CommandsBeside
from shadow.announcer import ShadowAnnouncer

Commit = Callable[[Sequence[Delivery]], Awaitable[None]]
GiveUp = Callable[[Delivery, str], Awaitable[None]]


class Lanes:
    """Implements broker.api.Ingest: each lane has its own pipeline."""

    def __init__(self, pipelines: Mapping[Lane, Commit], room: Callable[[], Awaitable[None]], give_up: GiveUp) -> None:
        self._pipelines = pipelines
        self._room = room
        self._give_up = give_up

    async def commit(self, lane: Lane, batch: Sequence[Delivery]) -> None:
        """Hand the batch to the lane's pipeline, once there is room on the disk."""
        await self._room()
        await self._pipelines[lane](batch)

    async def give_up(self, lane: Lane, delivery: Delivery, error: Exception) -> None:
        """Into the dead letters, whatever lane it came in."""
        await self._give_up(delivery, f"it cannot be processed: {type(error).__name__}: {error}"[:300])


class Fanout:
    """Implements broker.api.Listener."""

    def __init__(
        self,
        presence: PresenceWriter,
        refusals: RefusalWriter,
        commands: CommandsBeside,
        announcer: ShadowAnnouncer,
    ) -> None:
        self._commands = commands
        self._announcer = announcer
        self.on_presence = presence.on_presence
        self.on_delivered = commands.on_delivered
        self.on_refused = refusals.on_refused

    def on_subscribed(self, device: DeviceRecord, session: int, topic_filter: str) -> None:
        """Tell whoever may have something to send."""
        self._commands.on_subscribed(device, session, topic_filter)
        self._announcer.on_subscribed(device, session, topic_filter)


class Wakes:
    """What follows a nudge from `cloud` and a change of the registry.

    The registry ends the session of a device that may not be connected any more. A lost nudge, or one while PostgreSQL is
    away, is made good by the sweeps of both.
    """

    def __init__(self, broker: Broker, registry: RegistryCache, announcer: ShadowAnnouncer) -> None:
        self._broker = broker
        self._registry = registry
        self._announcer = announcer
        self._refreshes: Worker[str, None] = Worker("edge-refresh", self._refresh, bound=10_000)
        self._kicks: Worker[str, SessionReason] = Worker("edge-kick", self._kick)
        registry.on_change(self._kicks.put)

    def start(self) -> None:
        """Begin to act."""
        self._refreshes.start()
        self._kicks.start()

    async def stop(self) -> None:
        """Act no more."""
        await self._refreshes.stop(0.0)
        await self._kicks.stop(0.0)

    def on_wake(self, subject: str) -> None:
        """A nudge: this device has a new version of its shadow."""
        self._announcer.wake(subject)

    def on_registry(self, subject: str) -> None:
        """A nudge: the device itself or one of its certificates has changed."""
        self._refreshes.put(subject, None)

    async def _refresh(self, devices: dict[str, None]) -> None:
        try:
            await self._registry.refresh_many(devices)
        except StoreUnavailable:
            return  # the registry's sweep reads what has changed as soon as PostgreSQL is back

    async def _kick(self, subjects: dict[str, SessionReason]) -> None:
        for subject, reason in subjects.items():
            await self._broker.kick(subject, reason)
