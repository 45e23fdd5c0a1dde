"""Event and status messages: what each becomes. Pure."""

import json
import math
from datetime import datetime, timedelta

import msgspec

from ingest.batch import DeadLetter, letter
from ingest.decode import parse
from ingest.event_table import EventRow, StatusRow
from ingest.validate import EPOCH, Window
from iotsphere.delivery import Delivery
from iotsphere.errors import Refused
from iotsphere.messages import DeviceEvent
from iotsphere.topics import Kind

LONGEST_NAME, LONGEST_STATUS = 100, 1000


def build(delivery: Delivery, window: Window) -> EventRow | StatusRow | DeadLetter:
    """The row of a message, or its dead letter."""
    try:
        return _status(delivery) if delivery.route.kind is Kind.STATUS else _event(delivery, window)
    except Refused as refused:
        return letter(delivery, None, refused.category, refused.reason)


def _event(delivery: Delivery, window: Window) -> EventRow:
    try:
        event = msgspec.convert(parse(delivery.payload), DeviceEvent)
    except (msgspec.ValidationError, RecursionError) as error:
        raise Refused("validation", f'not {{"ts": ms, "name": …, "severity": …, "data": {{…}}}}: {error}') from error
    if not 0 < len(event.name) <= LONGEST_NAME or not event.name.isprintable():
        raise Refused("validation", f"name must be 1 to {LONGEST_NAME} printable characters")
    ts = delivery.received_at if event.ts is None else event.ts
    if not math.isfinite(ts):
        raise Refused("clock", f"ts is {ts}")
    window.check(ts)
    return EventRow(delivery.device.id, _moment(ts), event.name, event.severity, _json(event))


def _json(event: DeviceEvent) -> str | None:
    try:
        return None if event.data is None else json.dumps(event.data, allow_nan=False, ensure_ascii=False)
    except (ValueError, TypeError, RecursionError) as error:
        raise Refused("validation", f"data holds what JSON does not: {error}") from error


def _status(delivery: Delivery) -> StatusRow:
    try:
        text = delivery.payload.decode().strip()
    except UnicodeDecodeError as error:
        raise Refused("validation", f"a status is UTF-8 text: {error}") from error
    if not 0 < len(text) <= LONGEST_STATUS or "\0" in text:
        raise Refused("validation", f"a status is 1 to {LONGEST_STATUS} characters of text")
    return StatusRow(delivery.device.id, text, _moment(delivery.received_at))


def _moment(ts: float) -> datetime:
    return EPOCH + timedelta(microseconds=round(ts * 1000))
