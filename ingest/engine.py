"""The telemetry store's interface: one behaviour over native partitions and over TimescaleDB (tests/contract/test_engines.py)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, Protocol

from ingest.rollups import Buckets

EngineName = Literal["native", "timescale"]


@dataclass(frozen=True, slots=True)
class Expiring:
    """What retention would drop.

    Attributes:
        what: ``raw``, ``1m``, ``1h`` or ``1d``.
        name: of the table or chunk.
        start, end: the event times in it.
        bytes: on the disk, indexes included.
    """

    what: str
    name: str
    start: datetime
    end: datetime
    bytes: int


class RollupReads(Protocol):
    """Reads of rollups. They agree with the raw readings that are committed, late and repeated ones included, at every moment
    (timescale: late ones from the next refresh on). Raises what asyncpg raises."""

    async def rollups(
        self, devices: Sequence[str], measurements: Sequence[str] | None, start: datetime, end: datetime, step: timedelta
    ) -> Mapping[str, Mapping[str, Buckets]]:
        """Buckets by device and measurement over [start, end); None means all measurements.

        Args:
            step: one of rollups.STEPS. The first and the last bucket hold only what lies in [start, end).
        """

    async def together(
        self, devices: Sequence[str], measurement: str, start: datetime, end: datetime, step: timedelta
    ) -> Buckets:
        """The same of many devices put together: count, sum, lowest, highest and sources of each bucket."""
