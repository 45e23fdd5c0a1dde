"""Writes who is connected: the present state, the history of sessions, and that a device came for the first time."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import structlog

from broker import presence_table
from broker.api import Presence
from broker.metrics import WriterMetrics
from broker.presence_queue import Batch, PresenceQueue
from iotsphere.bus import EventBus
from iotsphere.events import DeviceStatus
from iotsphere.infra.postgres import Patience, Pool, wait_out
from iotsphere.pause import set_within

log = structlog.get_logger()

Connected = Callable[[], Mapping[str, int]]
SESSIONS_KEPT = 20_000
RECONCILE_SECONDS = 60.0
FLUSH_SECONDS = 3.0  # a supervisor waits 15 s for all of `edge`


class PresenceWriter:
    """Takes the broker's word at once and writes it behind, many rows a statement; told on the bus once committed.

    While PostgreSQL is away the newest state of each device waits, and sessions within a bound (see PresenceQueue).
    What a killed process left open is closed at the start; once a minute the rows are compared with the broker.

    Args:
        pool: one connection is enough.
        node: whose rows these are.
        connected: the broker's live sessions, as Broker.connected.
    """

    def __init__(
        self,
        pool: Pool,
        bus: EventBus,
        node: str,
        connected: Connected,
        metrics: WriterMetrics | None = None,
        *,
        reconcile_seconds: float = RECONCILE_SECONDS,
    ) -> None:
        self._pool = pool
        self._bus = bus
        self._node = node
        self._connected = connected
        self._metrics = metrics or WriterMetrics()
        self._reconcile_seconds = reconcile_seconds
        self._queue = PresenceQueue(sessions=SESSIONS_KEPT)
        self._patience = Patience("presence")
        self._filled = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Close what a killed process left open, then begin to write. Waits until PostgreSQL is there."""
        await self._put_right(self._connected())
        self._task = asyncio.create_task(self._run(), name="presence")

    async def stop(self) -> None:
        """Write what waits, for FLUSH_SECONDS at most."""
        if self._task is None:
            return
        try:
            await asyncio.wait_for(self._idle.wait(), FLUSH_SECONDS)
        except TimeoutError:
            log.warning("stopped with presence that is not written; the next start puts it right", sessions=len(self._queue))
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    def on_presence(self, presence: Presence) -> None:
        """Queue a begin or an end."""
        if self._queue.add(presence):
            self._metrics.sessions_dropped.inc()
        self._idle.clear()
        self._filled.set()

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time() + self._reconcile_seconds
        while True:
            if await set_within(self._filled, due - loop.time()):
                await self._guarded(self._flush)
            else:
                due = loop.time() + self._reconcile_seconds
                await self._guarded(self._reconcile)

    async def _guarded(self, step: Callable[[], Awaitable[None]]) -> None:
        try:
            await step()
        except Exception:  # a defect of ours must not end the writer; the comparison with the broker puts right what it left out
            log.exception("writing presence failed")

    async def _flush(self) -> None:
        self._filled.clear()
        batch = self._queue.take()
        await wait_out(self._patience, lambda: self._write(batch))
        for presence in batch.events():
            await self._bus.publish(status_of(presence))
        if not self._filled.is_set():
            self._idle.set()

    async def _write(self, batch: Batch) -> None:
        async with self._pool.acquire() as connection, connection.transaction():
            await presence_table.write_sessions(connection, batch.sessions, self._node)
            await presence_table.write_states(connection, batch.states, self._node)

    async def _reconcile(self) -> None:
        # What is told from now on waits in the queue until this is done, so the rows and this snapshot speak of the same moment.
        live = dict(self._connected())
        if self._filled.is_set():
            await self._flush()
        await self._put_right(live)

    async def _put_right(self, live: Mapping[str, int]) -> None:
        closed, opened = await wait_out(self._patience, lambda: self._compare(live))
        if closed or opened:
            self._metrics.reconciled.inc(len(closed) + opened)
            log.info("presence was put right", closed=len(closed), opened=opened)
        for presence in closed:
            await self._bus.publish(status_of(presence))

    async def _compare(self, live: Mapping[str, int]) -> tuple[list[Presence], int]:
        async with self._pool.acquire() as connection, connection.transaction():
            closed = await presence_table.close_others(connection, self._node, live)
            return closed, await presence_table.open_missing(connection, self._node, live)


def status_of(presence: Presence) -> DeviceStatus:
    """The event that tells a change of presence."""
    device = presence.device
    return DeviceStatus(
        device=device.id,
        organization=device.organization,
        device_type=device.device_type,
        simulated=device.simulated,
        connected=presence.connected,
        session=presence.session,
        reason=presence.reason,
        at=presence.at,
    )
