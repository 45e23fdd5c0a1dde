"""How soon a reading that is committed is in the answer of REST."""

import asyncio
import time
from collections import Counter
from datetime import UTC, datetime, timedelta

import httpx

from ingest.store import Store
from tests.bench.rows import MEASUREMENTS, Fleet

AGO = timedelta(hours=2)  # where the load has no readings
MINUTE = timedelta(minutes=1)
LIMIT_S = 30.0


class Probe:
    """Writes late readings of one device, a message at a time, and asks for their bucket.

    Args:
        store: commits them.
        client: of the API.
        device: registered; nobody else writes readings of it in that time.
    """

    def __init__(self, store: Store, client: httpx.AsyncClient, device: str) -> None:
        self._store, self._client, self._device = store, client, device
        self._written: Counter[datetime] = Counter()

    async def lag(self) -> float:
        """From a commit until an answer counts the reading (s).

        Raises:
            TimeoutError: none did within LIMIT_S.
        """
        start = datetime.now(UTC).replace(second=0, microsecond=0) - AGO
        micros = round(start.timestamp() * 1e6) + self._written[start]
        await self._store.store(next(Fleet([self._device], micros, 1).batches(1, 1)))
        committed = time.perf_counter()
        self._written[start] += 1
        async with asyncio.timeout(LIMIT_S):
            while await self._counted(start) != self._written[start]:
                pass
        return time.perf_counter() - committed

    async def _counted(self, start: datetime) -> int:
        query = {"from": start.isoformat(), "to": (start + MINUTE).isoformat(), "resolution": "1m", "aggregates": "count"}
        answer = await self._client.get(f"/api/v1/telemetry/{self._device}", params=query)
        answer.raise_for_status()
        return int(sum(answer.json()["aggregates"]["count"].get(MEASUREMENTS[0], ())))
