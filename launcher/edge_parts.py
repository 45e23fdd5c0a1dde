"""What `edge` is made of, built and not started."""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from redis.asyncio import Redis

from broker import presence_table
from broker.api import Lane
from broker.embedded.engine import EmbeddedBroker
from broker.embedded.limits import Limits
from broker.epochs import EpochBlocks
from broker.metrics import BrokerCollector, CommitMetrics, WriterMetrics
from broker.presence import PresenceWriter
from broker.refusals import RefusalWriter
from broker.registry_cache import RegistryCache
from broker.subscriptions import KeptSubscriptions
from commands import command_table
from commands.metrics import CommandMetrics
from ingest import event_table
from ingest.dead_letters_table import Bounds
from ingest.disk_guard import DiskGuard
from ingest.events import EventPipeline
from ingest.latest import LatestStore
from ingest.metrics import IngestMetrics
from ingest.partitions import Partitions
from ingest.pipeline import TelemetryPipeline
from ingest.rebuild import Rebuilder
from ingest.replay import Replayer
from ingest.store import Slot
from iotsphere.devices import device_types
from iotsphere.infra.housekeeping import Housekeeping
from iotsphere.infra.metrics import SignalMetrics
from iotsphere.infra.postgres import AWAY, Pool, make_pool
from iotsphere.infra.tls import server_context
from iotsphere.infra.valkey_bus import ValkeyBus
from iotsphere.infra.valkey_signals import ValkeySignals
from iotsphere.signals import EDGE_REGISTRY, EDGE_REPLAY, EDGE_WAKE
from launcher.edge_commands import CommandsBeside
from launcher.edge_options import EdgeOptions
from launcher.edge_wiring import Fanout, Lanes, Wakes
from shadow import revision_table
from shadow.announcer import ShadowAnnouncer
from shadow.cache import ShadowCache, connect
from shadow.lane import ShadowLane
from shadow.metrics import ShadowMetrics


@dataclass(frozen=True, slots=True)
class Pools:
    """One small pool a purpose, so that neither a COPY nor a storm of CONNECTs delays a shadow; commands have theirs apart."""

    registry: Pool
    writers: Pool
    events: Pool
    shadow: Pool
    telemetry: Pool


async def answers(pool: Pool) -> bool:
    """Whether PostgreSQL answers within a second."""
    try:
        async with asyncio.timeout(1), pool.acquire() as connection:
            await connection.fetchval("select 1")
    except AWAY:
        return False
    return True


async def open_pools(options: EdgeOptions, stack: AsyncExitStack) -> Pools:
    """Make the pools; they connect when they are used, so PostgreSQL may still be away."""

    async def pool(purpose: str, high: int, dsn: str = options.dsn, **more: Any) -> Pool:
        made = await make_pool(dsn, name=f"edge {purpose}", low=0, high=high, **more)
        stack.callback(made.terminate)  # everybody has stopped by then; a close would wait for a server that is away
        return made

    return Pools(
        registry=await pool("registry", 3),
        writers=await pool("presence", 2),
        events=await pool("events", 2),
        shadow=await pool("shadow", 4),
        telemetry=await pool("telemetry", 4, options.telemetry),
    )


class Parts:
    """Everything, wired."""

    def __init__(self, options: EdgeOptions, pools: Pools) -> None:
        self.metrics = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self.metrics)
        self.pools = pools
        self.redis: Redis = connect(options.redis_url)
        self.bus = ValkeyBus(options.redis_url, name="edge", registry=self.metrics)
        nudges = SignalMetrics(self.metrics)
        self.signals = ValkeySignals(options.redis_url, metrics=nudges)
        self._broker(options)
        self._ingest(options)
        self._shadow()
        self.commands = CommandsBeside(
            options.dsn, options.redis_url, self.broker, self._refuse, self.bus, CommandMetrics(self.metrics), nudges
        )
        self.wakes = Wakes(self.broker, self.registry, self.announcer)
        self.signals.on(EDGE_WAKE, self.wakes.on_wake)
        self.signals.on(EDGE_REGISTRY, self.wakes.on_registry)
        self.signals.on(EDGE_REPLAY, self.replayer.wake)
        self.housekeeping = Housekeeping(self.pools.writers, (presence_table.FORGET, event_table.FORGET, command_table.FORGET))
        self.shadow_history = Housekeeping(self.pools.writers, [revision_table.FORGET], options.shadow_history_days)
        self.listener = Fanout(self.presence, self.refusals, self.commands, self.announcer)
        self.lanes = Lanes(
            {
                Lane.TELEMETRY: self.telemetry.commit,
                Lane.EVENT: self.events.commit,
                Lane.SHADOW: self.shadow.commit,
                Lane.COMMAND: self.commands.commit,
            },
            self.guard.ready,
            self.telemetry.bury,
        )

    def _broker(self, options: EdgeOptions) -> None:
        self.registry = RegistryCache(self.pools.registry)
        self.epochs = EpochBlocks(self.pools.registry)
        writers = WriterMetrics(self.metrics)
        self.subscriptions = KeptSubscriptions(self.pools.registry, writers)
        self.broker = EmbeddedBroker(
            options.host,
            options.mqtt_port,
            server_context(options.certificate, options.key, options.ca),
            self.registry,
            self.epochs,
            Limits(total_pending_bytes=options.pending_bytes),
            subscriptions=self.subscriptions,
            on_commit=CommitMetrics(self.metrics).observe,
            wss_port=options.wss_port,
            wss_origins=options.wss_origins,
        )
        self.metrics.register(BrokerCollector(self.broker))
        self.presence = PresenceWriter(self.pools.writers, self.bus, options.node, self.broker.connected, writers)
        self.refusals = RefusalWriter(self.pools.writers, self.registry, self.bus, writers)

    def _ingest(self, options: EdgeOptions) -> None:
        pools, metrics, days = self.pools, IngestMetrics(self.metrics), options.retention_days
        self.guard = DiskGuard(options.data, _report(options.data), metrics=metrics)
        self.latest = LatestStore(self.redis, pools.telemetry)
        self.telemetry = TelemetryPipeline(
            options.telemetry, pools.telemetry, device_types(), self.bus, self.latest,
            retention_days=days, registry=pools.registry, letters=Bounds(options.letter_days, options.letter_bytes),
            guard=self.guard, metrics=metrics,
        )  # fmt: skip
        self.replayer = Replayer(
            Slot(options.telemetry), pools.events, Partitions(pools.telemetry, days), self.registry,
            lambda: Rebuilder(pools.telemetry, device_types(), self.telemetry.retention),
            room=self.guard.ready, announce=self.telemetry.announce, metrics=metrics,
        )  # fmt: skip
        self.events = EventPipeline(
            pools.events, pools.telemetry, retention_days=lambda: self.telemetry.raw_days, guard=self.guard, metrics=metrics,
            buried=self.telemetry.buried,
        )  # fmt: skip

    def _shadow(self) -> None:
        pools, shadow = self.pools, ShadowMetrics(self.metrics, device_types())
        self.cache = ShadowCache(self.redis, pools.shadow, shadow)
        self.announcer = ShadowAnnouncer(pools.shadow, self.broker, shadow)
        self.shadow = ShadowLane(
            pools.shadow, self.cache, self.broker, self.bus, self.announcer, device_types(), self._refuse, shadow
        )

    def _refuse(self, device: str, category: str, reason: str, topic: str) -> None:
        self.refusals.on_refused(device, category, reason, topic, "")

    async def health(self) -> dict[str, Any]:
        """What /health/ready answers. Ready means that devices' messages are taken and committed now."""
        broker = self.broker.health()
        postgres = await answers(self.pools.registry)
        parts: dict[str, dict[str, Any]] = {
            "broker": {
                "ok": broker.ok,
                "connections": broker.connections,
                "pending_messages": broker.pending_messages,
                "pending_bytes": broker.pending_bytes,
                "paused_sockets": broker.paused_sockets,
            },
            "postgres": {"ok": postgres},
            "disk": {"ok": not self.guard.paused, "free": self.guard.free, "days_left": self.guard.days_left},
            "registry": {"ok": True, "devices": len(self.registry)},
            "bus": {"ok": self.bus.healthy()},
            "signals": {"ok": self.signals.healthy() and self.commands.healthy()},
        }
        return {"ready": all(parts[name]["ok"] for name in ("broker", "postgres", "disk")), "parts": parts}


def _report(data: Path) -> Path | None:
    """Where the disk guard leaves word for those who look while `edge` does not run."""
    return data / "run" / "disk.json" if (data / "run").is_dir() else None
