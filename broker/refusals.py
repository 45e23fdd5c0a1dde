"""Writes what was refused, so that a device's maker and the admin see why."""

import asyncio
import time

import asyncpg
import structlog

from broker import refusal_table
from broker.metrics import WriterMetrics
from broker.refusal_table import RefusalRow
from broker.refusal_tally import Refusal, Tally, Told
from iotsphere.bus import EventBus
from iotsphere.events import MessageRefused
from iotsphere.infra.postgres import AWAY, Patience, Pool, wait_out
from iotsphere.registry import Registry

log = structlog.get_logger()

KINDS = 1_000
WINDOW_SECONDS = 10.0
LOOK_SECONDS = 0.25
REASON_LETTERS, TOPIC_LETTERS, PEER_LETTERS = 300, 512, 100


class RefusalWriter:
    """Counts equal refusals within ten seconds together and writes them behind; told on the bus once they are committed.

    Policy when full (KINDS different ones wait): a refusal of a new kind is only counted in the metrics.

    Args:
        pool: one connection is enough.
        registry: tells whether a device is known and whose it is.
    """

    def __init__(self, pool: Pool, registry: Registry, bus: EventBus, metrics: WriterMetrics | None = None) -> None:
        self._pool = pool
        self._registry = registry
        self._bus = bus
        self._metrics = metrics or WriterMetrics()
        self._tally = Tally(kinds=KINDS, window=WINDOW_SECONDS)
        self._patience = Patience("refusals")
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to write."""
        self._task = asyncio.create_task(self._run(), name="refusals")

    async def stop(self) -> None:
        """Write what was counted and not written, once, and end."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        rest = self._rows(self._tally.rest())
        if rest:
            try:
                async with asyncio.timeout(2):
                    await self._write(rest)
            except (*AWAY, asyncpg.PostgresError) as error:
                log.warning("stopped with refusals that are not written", refusals=len(rest), error=str(error))

    def on_refused(self, device: str | None, category: str, reason: str, topic: str | None, peer: str) -> None:
        """Count a refusal; as broker.api.Listener has it."""
        refusal = Refusal(
            device,
            category,
            _text(reason, REASON_LETTERS),
            None if topic is None else _text(topic, TOPIC_LETTERS),
            _text(peer.rpartition(":")[0] or peer, PEER_LETTERS),
        )
        if not self._tally.add(refusal, int(time.time() * 1000)):
            self._metrics.refusals_dropped.inc()

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            rows = self._rows(self._tally.due(time.monotonic()))
            if not rows:
                continue
            try:
                await wait_out(self._patience, lambda rows=rows: self._write(rows))  # type: ignore[misc]
            except Exception:  # a defect of ours must not hide the refusals that follow
                log.exception("writing refusals failed", refusals=len(rows))
                continue
            await self._tell(rows)

    def _rows(self, told: list[Told]) -> list[RefusalRow]:
        return [RefusalRow(t, self._organization(t.refusal.device)) for t in told]

    def _organization(self, device: str | None) -> str | None:
        record = None if device is None else self._registry.get(device)
        return None if record is None else record.organization

    async def _write(self, rows: list[RefusalRow]) -> None:
        async with self._pool.acquire() as connection, connection.transaction():
            await refusal_table.write(connection, rows)

    async def _tell(self, rows: list[RefusalRow]) -> None:
        for row in rows:
            told, refusal = row.told, row.told.refusal
            await self._bus.publish(
                MessageRefused(
                    device=refusal.device or "", category=refusal.category, reason=refusal.reason, at=told.at, count=told.count
                )
            )


def _text(text: str, letters: int) -> str:
    """What PostgreSQL takes: no NUL, and no longer than it is worth."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")[:letters]
