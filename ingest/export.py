"""Raw readings by page, and any number of them as a stream of lines in constant memory. The caller has checked who sees them."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from ingest import export_reads
from ingest.export_reads import HEADER, Form, Place, Reading, tails
from iotsphere.infra.postgres import Pool, unavailable_as_ours

__all__ = ["Export", "Form", "Place", "Reading", "Stretch"]

LINES = 20_000  # a page, some 2 MB: what an export holds at once


@dataclass(frozen=True, slots=True)
class Stretch:
    """A device's readings with start <= time < end.

    Attributes:
        names: unit and display name of each measurement that its type declares.
    """

    device: str
    start: datetime
    end: datetime
    names: Mapping[str, tuple[str, str]]


class Export:
    """Reads page after page by the key, and only when the reader has taken the page before.

    No transaction and no connection is kept in between, so a slow reader holds up nobody. A reading that is committed while
    the export runs is in it when its place has not been passed.

    Args:
        pool: the telemetry database.
        lines: of a page.
    """

    def __init__(self, pool: Pool, *, lines: int = LINES) -> None:
        self._pool = pool
        self._lines = lines

    async def stream(self, form: Form, stretches: Sequence[Stretch], measurements: Sequence[str] | None) -> AsyncIterator[bytes]:
        """Lines by device, time and measurement; None means all measurements. A CSV begins with a header.

        Raises:
            StoreUnavailable: PostgreSQL is away; what came before is no whole answer.
        """
        before = HEADER.encode() if form == "csv" else b""
        for stretch in stretches:
            async for text in self._of(form, stretch, measurements):
                yield before + text
                before = b""
        if before:
            yield before

    async def readings(
        self, device: str, after: Place, end: datetime, measurements: Sequence[str] | None, limit: int
    ) -> list[Reading]:
        """Raw readings of a device after a place, by time and measurement.

        Raises:
            StoreUnavailable: PostgreSQL is away.
        """
        async with unavailable_as_ours():
            return await export_reads.rows(self._pool, device, after, end, measurements, limit)

    async def _of(self, form: Form, stretch: Stretch, measurements: Sequence[str] | None) -> AsyncIterator[bytes]:
        tail, after = tails(form, stretch.names), Place(stretch.start)
        while True:
            async with unavailable_as_ours():
                page = await export_reads.page(
                    self._pool, form, stretch.device, after, stretch.end, measurements, tail, self._lines
                )
            if page.text:
                yield page.text
            if page.last is None or page.lines < self._lines:
                return
            after = page.last
