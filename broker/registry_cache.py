"""Every device and every revoked certificate in memory, kept fresh by a sweep and by nudges."""

import asyncio
import time
from collections.abc import Callable, Collection, Iterable

import structlog

from broker import registry_table
from broker.api import SessionReason
from broker.policy import MAY_CONNECT
from iotsphere.infra.postgres import Patience, Pool, unavailable_as_ours, wait_out
from iotsphere.registry import DeviceRecord

log = structlog.get_logger()

OnChange = Callable[[str, SessionReason], None]
OVERLAP_SECONDS = 10.0  # a change is dated at the begin of its transaction and seen at its end
ASK_SECONDS = 5.0


class RegistryCache:
    """Implements iotsphere.registry.Registry. A device takes about 250 bytes.

    Args:
        pool: one connection is enough.
        sweep_seconds: how often changes are looked for: the longest that a revocation whose nudge was lost goes unseen.
    """

    def __init__(self, pool: Pool, *, sweep_seconds: float = 0.5) -> None:
        self._pool = pool
        self._sweep_seconds = sweep_seconds
        self._devices: dict[str, DeviceRecord] = {}
        self._revoked: set[str] = set()
        self._callbacks: list[OnChange] = []
        self._looked_at = time.monotonic()
        self._task: asyncio.Task[None] | None = None

    def on_change(self, callback: OnChange) -> None:
        """Call with a subject's id and the reason when a live session of it must end. Must return at once."""
        self._callbacks.append(callback)

    def __len__(self) -> int:
        return len(self._devices)

    async def load(self) -> None:
        """Read everything; waits until PostgreSQL is there."""
        await wait_out(Patience("registry"), self._load)

    async def _load(self) -> None:
        self._looked_at = time.monotonic()
        async with self._pool.acquire() as connection:
            self._revoked = {serial for serial, _ in await registry_table.every_revoked(connection)}
            self._devices = {device.id: device async for device in registry_table.every_device(connection)}

    def start(self) -> None:
        """Begin to sweep."""
        self._task = asyncio.create_task(self._sweep(), name="registry-sweep")

    async def stop(self) -> None:
        """End the sweep."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    # ── look-ups ───────────────────────────────────────────────────────────────────────────────────────────────────

    def get(self, device: str) -> DeviceRecord | None:
        """From memory."""
        return self._devices.get(device)

    async def find(self, device: str) -> DeviceRecord | None:
        """From memory, else from PostgreSQL.

        Raises:
            StoreUnavailable: PostgreSQL does not answer.
        """
        return self._devices.get(device) or await self.refresh(device)

    def revoked(self, serial: str) -> bool:
        """Whether a certificate is revoked."""
        return serial in self._revoked

    # ── keeping fresh ──────────────────────────────────────────────────────────────────────────────────────────────

    async def refresh(self, device: str) -> DeviceRecord | None:
        """Read one device and its revoked certificates now.

        Raises:
            StoreUnavailable: PostgreSQL does not answer.
        """
        await self.refresh_many([device])
        return self._devices.get(device)

    async def refresh_many(self, devices: Collection[str]) -> None:
        """Read some devices and their revoked certificates now.

        Raises:
            StoreUnavailable: PostgreSQL does not answer.
        """
        async with unavailable_as_ours(), asyncio.timeout(ASK_SECONDS), self._pool.acquire() as connection:
            records = await registry_table.some(connection, devices)
            revoked = await registry_table.revoked_of(connection, devices)
        self._revoke(revoked)
        for record in records:
            self._put(record)
        for gone in set(devices) - {record.id for record in records}:
            if self._devices.pop(gone, None):
                self._tell(gone, "kicked")

    async def _sweep(self) -> None:
        patience = Patience("registry sweep")
        while True:
            await asyncio.sleep(self._sweep_seconds)
            try:
                await wait_out(patience, self._look)
            except Exception:  # a defect of ours must not leave revoked devices connected from now on
                log.exception("the sweep of the registry failed")

    async def _look(self) -> None:
        now = time.monotonic()
        since = now - self._looked_at + OVERLAP_SECONDS
        async with self._pool.acquire() as connection:
            revoked = await registry_table.newly_revoked(connection, since)
            devices = await registry_table.changed(connection, since)
        self._looked_at = now
        self._revoke(revoked)
        for device in devices:
            self._put(device)

    def _put(self, record: DeviceRecord) -> None:
        known = self._devices.get(record.id)
        if known == record:
            return
        self._devices[record.id] = record
        if record.status not in MAY_CONNECT or (known is not None and _belongs(known) != _belongs(record)):
            self._tell(record.id, "kicked")

    def _revoke(self, revoked: Iterable[registry_table.Revoked]) -> None:
        for serial, subject in revoked:
            if serial not in self._revoked:
                self._revoked.add(serial)
                self._tell(subject, "revoked")

    def _tell(self, subject: str, reason: SessionReason) -> None:
        for callback in self._callbacks:
            callback(subject, reason)


def _belongs(record: DeviceRecord) -> tuple[str, str, str]:
    """What a session keeps from its CONNECT on: when it changes, the session must begin anew."""
    return record.organization, record.device_type, record.kind
