"""Dead letters, and the task that replays them, beside a pipeline of tests/support/ingest.py."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from ingest import replays_table
from ingest.dead_letters_table import Selection
from ingest.partitions import Partitions
from ingest.rebuild import Rebuilder
from ingest.replay import Replayer
from ingest.replays_table import Replay
from ingest.retention_rules import Retention
from ingest.store import Slot
from iotsphere.registry import DeviceRecord
from tests.support.devices import TYPES, thermometer
from tests.support.ingest import TestIngest

RETENTION_DAYS = 30


class Known:
    """A registry of some devices."""

    def __init__(self, devices: Mapping[str, DeviceRecord]) -> None:
        self._devices = devices

    def get(self, device: str) -> DeviceRecord | None:
        return self._devices.get(device)

    async def find(self, device: str) -> DeviceRecord | None:
        return self._devices.get(device)

    def revoked(self, serial: str) -> bool:
        return False


@asynccontextmanager
async def replayer(
    it: TestIngest, dsn: str, *devices: DeviceRecord, types: Mapping[str, Any] = TYPES, **changes: Any
) -> AsyncIterator[Replayer]:
    """Not started; ``turn()`` does what is asked for. Knows the thermometer t-1 unless told otherwise."""

    async def room() -> None:
        return

    made = Replayer(
        Slot(dsn),
        it.pool,
        Partitions(it.pool, RETENTION_DAYS),
        Known({d.id: d for d in devices or [thermometer()]}),
        lambda: Rebuilder(it.pool, types, Retention(RETENTION_DAYS)),
        **{"room": room, "announce": it.pipeline.announce, "metrics": it.metrics, **changes},
    )
    try:
        yield made
    finally:
        await made.stop()


async def ask(it: TestIngest, **selection: Any) -> str:
    """Ask for a replay; its id."""
    async with it.pool.acquire() as connection, connection.transaction():
        return (await replays_table.ask(connection, Selection(**selection), "tester", "*")).id


async def outcome(it: TestIngest, replay: str) -> tuple[int, int, int]:
    """How many came through, failed, and wait."""
    async with it.pool.acquire() as connection:
        found: Replay | None = await replays_table.find(connection, replay)
    assert found is not None
    return found.came_through, found.failed, found.waiting
