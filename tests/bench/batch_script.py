"""What a good engineer writes behind mosquitto, the peer of `ingest.ratio_to_batch_script`: aiomqtt in, 1,000-row batches out.

A process of its own (see child.py): ``subscribed``, then ``done`` with the rows stored. It acknowledges a message to mosquitto
when it has it, as aiomqtt does, reads on while a batch is written, and keeps its session, so that mosquitto keeps for it what it
has not read.
"""

import asyncio
import contextlib
from datetime import UTC, datetime
from pathlib import Path

import aiomqtt
import asyncpg
import msgspec
import uvloop

from tests.bench.child import read_job, tell, told_to_end
from tests.bench.shared_counter import SharedCounter

ROWS_A_BATCH = 1000
FLUSH_S = 0.05
TOPIC = "iot/v1/+/telemetry"
INSERT = (
    "insert into telemetry.telemetry (device_id, timestamp, measurement, value)"
    " select * from unnest($1::text[], $2::timestamptz[], $3::text[], $4::float8[]) on conflict do nothing"
)


class Job(msgspec.Struct):
    """mosquitto's port, PostgreSQL, and the SharedCounter of rows stored."""

    port: int
    dsn: str
    stored: str


class Reading(msgspec.Struct):
    """A message."""

    ts: float
    values: dict[str, float]


class Batches:
    """Rows that wait, and their way into the table."""

    def __init__(self, connection: "asyncpg.Connection[asyncpg.Record]", stored: SharedCounter) -> None:
        self._connection, self._stored = connection, stored
        self._rows: list[tuple[str, datetime, str, float]] = []
        self._full = asyncio.Event()
        self._decoder = msgspec.json.Decoder(Reading)

    def add(self, device: str, payload: bytes) -> None:
        """Take one message."""
        reading = self._decoder.decode(payload)
        moment = datetime.fromtimestamp(reading.ts / 1000, UTC)
        self._rows += [(device, moment, measurement, value) for measurement, value in reading.values.items()]
        if len(self._rows) >= ROWS_A_BATCH:
            self._full.set()

    async def write(self) -> None:
        """Write a batch when it is full, or what there is after a moment, until cancelled."""
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._full.wait(), FLUSH_S)
            await self._flush()

    async def _flush(self) -> None:
        batch, self._rows = self._rows[:ROWS_A_BATCH], self._rows[ROWS_A_BATCH:]
        if len(self._rows) < ROWS_A_BATCH:
            self._full.clear()
        if batch:
            await self._connection.execute(INSERT, *map(list, zip(*batch, strict=True)))
            self._stored.value += len(batch)


async def consume(job: Job) -> int:
    """From the subscription to the end of stdin."""
    stored = SharedCounter(Path(job.stored))
    connection = await asyncpg.connect(job.dsn)
    batches = Batches(connection, stored)
    writing = asyncio.create_task(batches.write(), name="writer")
    reading = asyncio.create_task(_read(job.port, batches), name="reader")
    ended = asyncio.create_task(told_to_end(), name="told")
    done, _ = await asyncio.wait({writing, reading, ended}, return_when=asyncio.FIRST_COMPLETED)
    for task in (writing, reading):
        task.cancel()
    await asyncio.gather(writing, reading, return_exceptions=True)
    for task in done:
        task.result()
    await connection.close()
    return stored.value


async def _read(port: int, batches: Batches) -> None:
    async with aiomqtt.Client("127.0.0.1", port, identifier="batch-script", clean_session=False) as client:
        await client.subscribe(TOPIC, qos=1)
        tell("subscribed")
        async for message in client.messages:
            assert isinstance(message.payload, bytes)
            batches.add(message.topic.value.split("/")[2], message.payload)


if __name__ == "__main__":
    tell("done", uvloop.run(consume(read_job(Job))))
