"""A dead letter goes the way of its message again, as far as to rows: the same decoding and the same checks as on arrival."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import asyncpg
import structlog

from ingest import boots_table, event_build
from ingest.batch import Batch, DeadLetter, Row, letter, unix_us
from ingest.boots import BootOffsets
from ingest.build import BatchBuilder
from ingest.dead_letters_table import Claimed, storable
from ingest.event_table import EventRow, StatusRow
from ingest.ledger import Ledger
from ingest.retention_rules import Retention
from ingest.validate import Window, clock_hint
from iotsphere import topics
from iotsphere.delivery import Delivery
from iotsphere.devices._spec import DeviceType
from iotsphere.infra.postgres import AWAY, Pool
from iotsphere.registry import DeviceRecord
from iotsphere.topics import Kind

log = structlog.get_logger()

CUT = "only the beginning of the message was kept: it cannot be replayed"
NOT_REPLAYED = "messages about shadows and commands are not replayed: what came since has taken their place"
UNKNOWN = "no such device is registered any more"


@dataclass(slots=True)
class Rebuilt:
    """What a letter's message becomes now.

    Attributes:
        rows: what it was buried for; the rest of the message was stored when it came.
        letters: what is still wrong with it.
        event: for an event or a status.
    """

    claimed: Claimed
    delivery: Delivery
    rows: list[Row] = field(default_factory=list)
    letters: list[DeadLetter] = field(default_factory=list)
    event: EventRow | StatusRow | None = None

    def fail(self, category: str, reason: str) -> None:
        """It is not stored, for this reason."""
        self.letters = [letter(self.delivery, self.claimed.measurement, category, reason)]
        self.rows, self.event = [], None


class Rebuilder:
    """One a turn: what it remembers of arrival times and numbers must not meet those of live messages.

    Accounts of sequence numbers are left alone: they tell of what arrived, and this has arrived before.

    Args:
        pool: the telemetry database, for the clocks of devices that have none.
        retention: how long readings are kept, and which are gone.
        clock: seconds since the Unix epoch.
    """

    def __init__(
        self, pool: Pool, types: Mapping[str, DeviceType], retention: Retention, clock: Callable[[], float] = time.time
    ) -> None:
        self._pool, self._retention, self._clock = pool, retention, clock
        self._boots, self._ledger = BootOffsets(), Ledger()
        self._builder = BatchBuilder(types, retention.raw, self._boots, self._ledger)

    async def rebuild(self, claimed: Claimed, device: DeviceRecord | None) -> Rebuilt:
        """Decode and check the message as of its arrival. What is wrong is in the result's letters.

        Raises:
            OSError, asyncpg.PostgresError: PostgreSQL is away (see infra.postgres.AWAY).
        """
        route = topics.parse(claimed.topic)
        known = device or DeviceRecord(claimed.device_id, "", "", "device", "")
        delivery = Delivery(
            known, route or topics.Route(known.id, Kind.TELEMETRY), claimed.topic, claimed.payload, 1, False,
            claimed.received_at, 0,
        )  # fmt: skip
        rebuilt = Rebuilt(claimed, delivery)
        if claimed.cut:
            rebuilt.fail("store", CUT)
        elif device is None:
            rebuilt.fail("store", UNKNOWN)
        elif route is None or route.kind not in (Kind.TELEMETRY, Kind.EVENT, Kind.STATUS):
            rebuilt.fail("store", NOT_REPLAYED)
        else:
            await self._try(rebuilt, route.kind)
        return rebuilt

    async def _try(self, rebuilt: Rebuilt, kind: Kind) -> None:
        try:
            await self._readings(rebuilt) if kind is Kind.TELEMETRY else self._event(rebuilt)
        except (*AWAY, asyncpg.PostgresError):
            raise
        except Exception as error:  # a defect that one message meets must not keep the others from their replay
            log.exception("a dead letter cannot be processed", letter=rebuilt.claimed.id)
            rebuilt.fail("store", f"it cannot be processed: {type(error).__name__}: {error}")

    async def _readings(self, rebuilt: Rebuilt) -> None:
        batch = await self._build(rebuilt.delivery)
        wanted = rebuilt.claimed.measurement
        rows = batch.fresh.rows + batch.doubtful.rows
        rebuilt.rows = [row for row in rows if wanted is None or row[2] == wanted]
        rebuilt.letters = [one for one in batch.letters if wanted is None or storable(one.measurement or "") == wanted]
        self._refuse_expired(rebuilt)
        if wanted is not None and not rebuilt.rows and not rebuilt.letters:  # such as a whole message that is refused now
            rebuilt.letters = batch.letters[:1]

    async def _build(self, delivery: Delivery) -> Batch:
        arrived = delivery.received_at
        batch = self._builder.build([delivery], arrived)
        while batch.deferred:
            if batch.unknown:
                self._boots.learn(await boots_table.settle(self._pool, batch.unknown))
            self._ledger.learn(batch.strange, {})
            batch.deferred, batch.unknown, batch.strange = [], {}, {}
            self._builder.build([delivery], arrived, batch)
        return batch

    def _refuse_expired(self, rebuilt: Rebuilt) -> None:
        """What was young enough when it came may be too old to be kept by now."""
        window = self._retention.window(self._clock() * 1000, rebuilt.delivery.device.organization)
        expired = [row for row in rebuilt.rows if unix_us(row[1]) < window.low * 1000]
        if expired:
            gone = letter(rebuilt.delivery, expired[0][2], "clock", clock_hint(unix_us(expired[0][1]) / 1000, window.now))
            rebuilt.rows = [row for row in rebuilt.rows if row not in expired]
            rebuilt.letters.append(gone)

    def _event(self, rebuilt: Rebuilt) -> None:
        built = event_build.build(rebuilt.delivery, Window.at(rebuilt.delivery.received_at, self._retention.raw))
        if isinstance(built, DeadLetter):
            rebuilt.letters = [built]
        else:
            rebuilt.event = built
