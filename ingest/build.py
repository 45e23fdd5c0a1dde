"""The hot core: deliveries in, a batch of rows and dead letters out. Pure; everything that waits is elsewhere."""

import math
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

from ingest.batch import DAY_US, POSTGRES_EPOCH_US, Batch, Row, moment_of
from ingest.boots import BootOffsets, boot_key, offset_us
from ingest.decode import UNREADABLE, LooseTelemetry, Telemetry, decode_loosely, decode_many, decode_one
from ingest.ledger import Ledger, nameable, number_of, range_of, run_of
from ingest.names import Names
from ingest.refusals import Refusals
from ingest.retention_rules import Retention
from ingest.validate import Declared, Window, check_name, declared_by, metadata_of, number, quality
from iotsphere.delivery import Delivery
from iotsphere.devices._spec import DeviceType
from iotsphere.errors import Refused

VALUES_OF_A_MESSAGE = 1000  # that are not plainly good; what is beyond is told in one letter
ARRIVALS = 100_000
Message = Telemetry | LooseTelemetry


class BatchBuilder:
    """Turns deliveries into rows.

    Args:
        types: the device types by key.
        retention_days: older readings are refused.
        boots: offsets of devices without a clock.
        ledger: sequence numbers that came.
    """

    def __init__(self, types: Mapping[str, DeviceType], retention_days: int, boots: BootOffsets, ledger: Ledger) -> None:
        self._declared = {key: declared_by(found) for key, found in types.items()}
        self._nothing = Declared({}, {})
        self._retention = Retention(retention_days)
        self._boots = boots
        self._ledger = ledger
        self._names = Names()
        self._last_arrival: dict[str, int] = {}

    @property
    def retention(self) -> Retention:
        """How long readings are kept."""
        return self._retention

    def keep(self, retention: Retention) -> None:
        """From now on this is how long readings are kept."""
        self._retention = retention

    def build(self, deliveries: Sequence[Delivery], now_ms: float, batch: Batch | None = None) -> Batch:
        """Decode and validate into a batch, a new one when none is given. Never raises: what is wrong becomes a dead letter.

        What is known to be committed is left out.
        """
        # The hot loop, 2.5 µs for a message of five values: no call per value where the value is good.
        batch = Batch(arrivals=self._ledger.begin()) if batch is None else batch
        self._boots.age(now_ms)
        window, narrower = self._retention.window(now_ms), self._retention.narrower(now_ms)
        low, high = window.low, window.high
        types, nothing, days, follows = self._declared, self._nothing, batch.days, self._ledger.follows
        for delivery in deliveries:
            try:
                message = decode_one(delivery.payload)
            except UNREADABLE:
                self._several(batch, delivery, narrower.get(delivery.device.organization, window))
                continue
            ts = message.ts
            if ts is None or not low <= ts <= high or (narrower and delivery.device.organization in narrower):
                self._all(batch, delivery, [message], narrower.get(delivery.device.organization, window), Refusals())
                continue
            number, dropped = message.seq, message.dropped
            if number is not None and dropped is None and follows(delivery, message.boot, number, ts):
                pass  # what nearly all numbered messages do
            elif (number is not None or dropped is not None) and self._unwanted(batch, delivery, message, ts):
                continue
            device = delivery.device
            declared = types.get(device.device_type, nothing)
            plain, name, texts = declared.plain, device.id, metadata_of(device.kind)
            good = texts.good
            micros = round(ts * 1000)
            days.add(micros // DAY_US)
            moment = (micros - POSTGRES_EPOCH_US,)
            rows: list[Row] = []
            odd: dict[str, Any] | None = None
            for key, value in message.values.items():
                bounds = plain.get(key)
                if bounds is not None and bounds[0] <= value <= bounds[1]:
                    rows.append((name, moment, key, value, good))
                elif odd is None:
                    odd = {key: value}
                else:
                    odd[key] = value
            if odd is not None:
                refusals = Refusals()
                rows += self._odd_rows(delivery, micros, odd, refusals)
                batch.letters += refusals.letters(delivery)
            (batch.doubtful if delivery.maybe_repeated else batch.fresh).add(rows, delivery)
        self._ledger.seal(batch.arrivals)
        return batch

    def _unwanted(self, batch: Batch, delivery: Delivery, message: Message, ts: float) -> bool:
        """Note a number; whether the message is committed already, or has to wait until its run is looked up."""
        return self._strange(batch, delivery, [message]) or self._repeated(delivery, message, ts)

    def _several(self, batch: Batch, delivery: Delivery, window: Window) -> None:
        """A list, MessagePack, or a message in which something is wrong."""
        messages: Sequence[Message]
        refusals = Refusals()
        try:
            messages = decode_many(delivery.payload)
        except UNREADABLE:
            try:
                messages = decode_loosely(delivery.payload, refusals)
            except Refused as refused:
                refusals.add(None, refused)
                batch.letters += refusals.letters(delivery)
                return
        self._all(batch, delivery, messages, window, refusals)

    def _all(self, batch: Batch, delivery: Delivery, messages: Sequence[Message], window: Window, refusals: Refusals) -> None:
        times = [self._time_of(batch, delivery, message, refusals) for message in messages]
        if self._strange(batch, delivery, messages):
            return
        if None in times:
            batch.deferred.append(delivery)
            return
        rows: list[Row] = []
        for message, ts in zip(messages, times, strict=True):
            if ts is None or self._repeated(delivery, message, _own(message, ts, window)) or math.isnan(ts):
                continue
            try:
                window.check(ts)
            except Refused as error:
                refusals.add(None, error)
                continue
            micros = round(ts * 1000)
            batch.days.add(micros // DAY_US)
            rows += self._odd_rows(delivery, micros, message.values, refusals)
        batch.letters += refusals.letters(delivery)
        (batch.doubtful if delivery.maybe_repeated else batch.fresh).add(rows, delivery)

    def _odd_rows(self, delivery: Delivery, micros: int, values: Mapping[str, Any], refusals: Refusals) -> list[Row]:
        """Rows of values that are not plainly good: marked, or refused one by one."""
        device, names = delivery.device, self._names
        declared, texts = self._declared.get(device.device_type, self._nothing), metadata_of(device.kind)
        moment = moment_of(micros)
        rows: list[Row] = []
        seen = min(len(values), VALUES_OF_A_MESSAGE)
        refusals.crowded += len(values) - seen
        for key, value in islice(values.items(), seen):
            undeclared = key not in declared.bounds
            if undeclared and not names.admits(device.id, key):
                refusals.crowded += 1
                continue
            try:
                check_name(key)
                checked = number(value)
            except Refused as error:
                refusals.add(key[:100], error)
                continue
            if undeclared:
                names.learn(device.id, key)
            rows.append((device.id, moment, key, checked, quality(key, checked, declared, texts)))
        return rows

    def _strange(self, batch: Batch, delivery: Delivery, messages: Sequence[Message]) -> bool:
        """Whether a run of these numbers must be looked up: then the delivery waits for it."""
        strange = {
            run_of(delivery, message.boot): delivery.device
            for message in messages
            if _numbered(message) and self._ledger.find(delivery, message.boot) is None
        }
        if strange:
            batch.strange |= strange
            batch.deferred.append(delivery)
        return bool(strange)

    def _repeated(self, delivery: Delivery, message: Message, ts: float | None) -> bool:
        """Note the number of a message whose run is known; whether it is committed already."""
        known = self._ledger.find(delivery, message.boot) if _numbered(message) else None
        if known is None:
            return False
        number, lost = number_of(message.seq), range_of(message.dropped)
        if number is not None and self._ledger.note(known, number, ts, message.boot is not None) and delivery.maybe_repeated:
            return True
        if lost is not None:
            self._ledger.declare(known, *lost)
        return False

    def _time_of(self, batch: Batch, delivery: Delivery, message: Message, refusals: Refusals) -> float | None:
        """Ms since the Unix epoch; None while the boot is not known, NaN when the message is refused."""
        try:
            if message.ts is not None:
                return _finite(message.ts)
            if message.boot is not None and message.up is not None:
                return self._by_boot(batch, delivery, message.boot, message.up)
        except Refused as error:
            refusals.add(None, error)
            return math.nan
        return self._arrival(delivery)

    def _by_boot(self, batch: Batch, delivery: Delivery, boot: str | int, up: float) -> float | None:
        key = boot_key(delivery.device.id, boot, up)
        known = self._boots.get(key)
        if known is not None:
            return known / 1000 + up
        # The message that waited least tells the clock best: the smallest offset.
        candidate = offset_us(delivery.received_at, up)
        batch.unknown[key] = min(candidate, batch.unknown.get(key, candidate))
        return None

    def _arrival(self, delivery: Delivery) -> float:
        """Arrival time, made unique by counting microseconds up within the device."""
        last = self._last_arrival.get(delivery.device.id, 0)
        micros = max(delivery.received_at * 1000, last + 1)
        if len(self._last_arrival) > ARRIVALS:
            self._last_arrival.clear()
        self._last_arrival[delivery.device.id] = micros
        return micros / 1000


def _numbered(message: Message) -> bool:
    """Whether it says something for an account that can be kept."""
    return (message.seq is not None or message.dropped is not None) and nameable(message.boot)


def _own(message: Message, ts: float, window: Window) -> float | None:
    """The time that the device gave, NaN when it cannot be believed, None when it gave none."""
    if message.ts is None and (message.boot is None or message.up is None):
        return None
    return ts if window.low <= ts <= window.high else math.nan


def _finite(ts: float) -> float:
    if not math.isfinite(ts):
        raise Refused("clock", f"ts is {ts}")
    return ts
