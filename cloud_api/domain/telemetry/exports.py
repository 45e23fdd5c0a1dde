"""Raw readings: by page, and as a file, which is a stream of lines as long as it must be."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from cloud_api.auth import Principal
from cloud_api.domain.devices.table import Ownership
from cloud_api.domain.telemetry.schemas import ReadingPage
from cloud_api.domain.telemetry.scope import Scope, Scopes
from cloud_api.domain.telemetry.window import EPOCH, Window, ms
from ingest.export import Export, Form, Place, Reading, Stretch
from iotsphere.devices._spec import DeviceType
from iotsphere.errors import InvalidInput, TemporaryError

log = structlog.get_logger(__name__)

FORMS: dict[str, Form] = {"text/csv": "csv", "application/x-ndjson": "ndjson"}


@dataclass(frozen=True, slots=True)
class Lines:
    """What is streamed, and whether devices and simulated ones are among those it is of."""

    media_type: str
    name: str
    simulated: Sequence[bool]
    text: AsyncIterator[bytes]


class Exports:
    """Answers /telemetry/{device}/readings, and /telemetry with a media type of FORMS."""

    def __init__(self, scopes: Scopes, export: Export) -> None:
        self._scopes, self._export = scopes, export

    async def readings(
        self, principal: Principal, device: str, over: Window, measurements: Sequence[str] | None, cursor: str, limit: int
    ) -> ReadingPage:
        """Raw readings of a device, a page at a time.

        Raises:
            NotFound: it does not exist, or the user may not see it.
            InvalidInput: the cursor is none of ours.
        """
        [one] = await self._scopes.devices(principal, Scope(devices=[device]))
        part = over.clipped(one.owned_from)
        after = place_of(cursor, part.start)
        found: list[Reading] = []
        if not part.empty:
            found = await self._export.readings(device, after, part.end, measurements, limit + 1)
        declared = _names(self._scopes.type_of(one.device_type))
        return _page(one, over, found[:limit], declared, more=len(found) > limit)

    async def lines(
        self, principal: Principal, wanted: Scope, over: Window, measurements: Sequence[str] | None, media_type: str
    ) -> Lines:
        """The raw readings of the devices in question, by device and time.

        Raises:
            NotFound: one that is named does not exist, or the user may not see it.
        """
        seen = await self._scopes.devices(principal, wanted, most=None)
        clipped = [(one, over.clipped(one.owned_from)) for one in seen]
        stretches = [
            Stretch(one.device, part.start, part.end, _names(self._scopes.type_of(one.device_type)))
            for one, part in clipped
            if not part.empty
        ]
        text = self._export.stream(FORMS[media_type], stretches, measurements)
        first = await anext(text, b"")  # before the answer begins, so that an absent store is told as such
        name = wanted.devices[0] if wanted.devices and len(wanted.devices) == 1 else "telemetry"
        return Lines(
            media_type, f"{name.replace(':', '_')}.{FORMS[media_type]}", [one.simulated for one in seen], _told(first, text)
        )


async def _told(first: bytes, text: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """What breaks off is cut off: the client sees a transfer without its end, not a file that happens to be short."""
    yield first
    try:
        async for part in text:
            yield part
    except TemporaryError as error:
        log.warning("an export was cut off", error=str(error))
        raise


def place_of(cursor: str, start: datetime) -> Place:
    """Where a page goes on: after the reading that the cursor names, else at the start.

    Raises:
        InvalidInput: it is none of ours.
    """
    if not cursor:
        return Place(start)
    micros, _, measurement = cursor.partition("~")
    if not (micros.isascii() and micros.isdecimal()) or len(micros) > 17 or not measurement:
        raise InvalidInput("cursor", "must be the next_cursor of a page before")
    return Place(max(start, EPOCH + timedelta(microseconds=int(micros))), measurement)


def cursor_of(reading: Reading) -> str:
    """What place_of() takes."""
    return f"{(reading.time - EPOCH) // timedelta(microseconds=1)}~{reading.measurement}"


def _page(
    one: Ownership, over: Window, found: Sequence[Reading], declared: dict[str, tuple[str, str]], *, more: bool
) -> ReadingPage:
    seen = {reading.measurement for reading in found} & declared.keys()
    return ReadingPage(
        device=one.device,
        simulated=one.simulated,
        from_=ms(over.start),
        to=ms(over.end),
        unit={key: declared[key][0] for key in sorted(seen)},
        title={key: declared[key][1] for key in sorted(seen)},
        ts=[reading.time.timestamp() * 1000 for reading in found],
        measurement=[reading.measurement for reading in found],
        value=[reading.value for reading in found],
        source=[reading.source or "device" for reading in found],
        quality=[reading.quality for reading in found],
        next_cursor=cursor_of(found[-1]) if more else None,
    )


def _names(declared: DeviceType | None) -> dict[str, tuple[str, str]]:
    return {m.key: (m.unit, m.title) for m in declared.measurements} if declared else {}
