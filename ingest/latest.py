"""The newest value of every measurement of every device: in Valkey, repaired from PostgreSQL, which answers while it is away."""

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence

import asyncpg
import redis.asyncio
import structlog

from ingest import telemetry_reads
from ingest.latest_keys import LatestKeys
from ingest.latest_value import LatestValue, Newest, add_newest, newer, text_of, written
from iotsphere.infra.postgres import AWAY, Pool, unavailable_as_ours
from iotsphere.pause import set_within

log = structlog.get_logger()

MISSING = (redis.RedisError, OSError, TimeoutError)
SECONDS = 1.0  # an answer of Valkey; then PostgreSQL is asked
RETRY_SECONDS = 1.0
LOOK_SECONDS = 5.0
CHUNK = 100  # devices a statement
PENDING = 200_000  # values that wait for Valkey; policy when full: forget them and read their devices from PostgreSQL later
SHORTEST_PAUSE, LONGEST_PAUSE = 0.05, 1.0
REST = 9  # after a flush, so many times as long as it took: at most a tenth of the time goes into this


class LatestStore:
    """Reads anywhere; writes where start() was called.

    Args:
        client: Valkey, answering bytes.
        pool: the telemetry database.
    """

    def __init__(self, client: "redis.asyncio.Redis", pool: Pool) -> None:
        self._keys = LatestKeys(client)
        self._pool = pool
        self._pending: Newest = {}
        self._distrusted: set[str] = set()  # bounded by the number of devices
        self._generation: str | None = None
        self._arrived = asyncio.Event()
        self._stopping = False
        self._task: asyncio.Task[None] | None = None
        self._away_until = 0.0
        self._lost = False

    async def start(self) -> None:
        """Begin to write."""
        self._task = asyncio.create_task(self._run(), name="latest-writer")

    async def stop(self) -> None:
        """Write what waits, if Valkey is there, and end."""
        self._stopping = True  # a cancellation alone may get lost inside a driver
        if self._task is not None:
            self._task.cancel()
            self._arrived.set()
            await asyncio.gather(self._task, return_exceptions=True)
            await self._flush()

    def offer(self, newest: Newest) -> None:
        """These were committed. Returns at once."""
        pending = self._pending
        add_newest(pending, newest.values())
        if len(pending) > PENDING:
            self.forget({device for device, _ in pending})
            pending.clear()
        self._arrived.set()

    def forget(self, devices: Iterable[str]) -> None:
        """Readings of these devices were not offered: PostgreSQL has them."""
        self._distrusted.update(devices)
        self._arrived.set()

    async def latest_many(self, devices: Sequence[str]) -> dict[str, Mapping[str, LatestValue]]:
        """The newest value of each measurement of each device.

        Raises:
            StoreUnavailable: PostgreSQL is needed and away.
        """
        found: dict[str, Mapping[str, LatestValue]] = {}
        for chunk in _chunks(devices):
            found.update(await self._latest(chunk))
        return found

    async def _latest(self, devices: Sequence[str]) -> dict[str, Mapping[str, LatestValue]]:
        kept = await self._read(devices)
        if kept is None:
            async with unavailable_as_ours():
                return dict(await telemetry_reads.latest(self._pool, devices))
        generation, values, complete = kept
        found: dict[str, Mapping[str, LatestValue]] = dict(zip(devices, values, strict=True))
        doubtful = [device for device, whole in zip(devices, complete, strict=True) if not whole]
        if doubtful:
            async with unavailable_as_ours():
                stored = await telemetry_reads.latest(self._pool, doubtful)
            for device in doubtful:
                found[device] = newer([found[device], stored[device]])
            if generation is not None:
                await self._fill_quietly(generation, stored)
        return found

    async def _read(self, devices: Sequence[str]) -> tuple[str | None, list[dict[str, LatestValue]], list[bool]] | None:
        """What Valkey has; None when it is away."""
        if time.monotonic() < self._away_until:
            return None
        try:
            async with asyncio.timeout(SECONDS):
                return await self._keys.read(devices)
        except MISSING as error:
            self._gone(error)
            return None

    async def _fill_quietly(self, generation: str, stored: Mapping[str, Mapping[str, LatestValue]]) -> None:
        try:
            async with asyncio.timeout(SECONDS):
                await self._keys.fill(generation, _texts_of(stored))
        except MISSING as error:
            self._gone(error)

    def _gone(self, error: BaseException) -> None:
        self._away_until = time.monotonic() + RETRY_SECONDS
        if not self._lost:
            self._lost = True
            log.warning("latest values come from PostgreSQL while Valkey is away", error=str(error) or type(error).__name__)

    def _back(self) -> None:
        if self._lost:
            self._lost = False
            log.info("latest values come from Valkey again")

    async def _run(self) -> None:
        while not self._stopping:
            await set_within(self._arrived, LOOK_SECONDS)  # when nothing has come: see whether Valkey has lost its keys
            began = time.monotonic()
            went_well = await self._flush()
            spent = time.monotonic() - began
            if self._stopping:
                return
            await asyncio.sleep(min(max(REST * spent, SHORTEST_PAUSE), LONGEST_PAUSE) if went_well else RETRY_SECONDS)

    async def _flush(self) -> bool:
        """Write what waits. False: it goes on waiting."""
        self._arrived.clear()
        pending, self._pending = self._pending, {}
        distrusted, self._distrusted = self._distrusted, set()
        written_down = False
        try:
            await self._write(pending, distrusted)
            written_down = True
        except (*MISSING, *AWAY, asyncpg.PostgresError) as error:
            self._gone(error)
        finally:  # when it is cancelled, too
            if not written_down:
                self._take_back(pending, distrusted)
        if written_down:
            self._back()
        return written_down

    def _take_back(self, pending: Newest, distrusted: set[str]) -> None:
        arrived, self._pending = self._pending, pending
        self._distrusted |= distrusted
        self.offer(arrived)

    async def _write(self, pending: Newest, distrusted: set[str]) -> None:
        async with asyncio.timeout(SECONDS):
            generation = await self._agree()
        async with asyncio.timeout(SECONDS):
            await self._keys.distrust(sorted(distrusted))
        texts: dict[str, dict[str, str]] = {}
        for (device, measurement), row in pending.items():
            texts.setdefault(device, {})[measurement] = written(row)
        incomplete = set(distrusted)
        for devices in _chunks(list(texts)):
            async with asyncio.timeout(SECONDS):
                incomplete.update(await self._keys.put(generation, {device: texts[device] for device in devices}))
        for devices in _chunks(sorted(incomplete)):
            stored = _texts_of(await telemetry_reads.latest(self._pool, devices))
            async with asyncio.timeout(SECONDS):
                await self._keys.fill(generation, stored)

    async def _agree(self) -> str:
        """The present generation; a new one at the first write, and when the server was restarted or emptied."""
        run_id, found = await self._keys.generation()
        if self._generation is None or found is None or not found.startswith(run_id):
            self._generation = await self._keys.begin(run_id)
        else:
            self._generation = found  # another writer's, perhaps
        return self._generation


def _chunks(devices: Sequence[str]) -> Iterable[Sequence[str]]:
    return (devices[start : start + CHUNK] for start in range(0, len(devices), CHUNK))


def _texts_of(stored: Mapping[str, Mapping[str, LatestValue]]) -> dict[str, dict[str, str]]:
    return {device: {key: text_of(value) for key, value in values.items()} for device, values in stored.items()}
