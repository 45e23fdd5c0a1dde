"""Sequence numbers from a device's program to its account, over mutual TLS."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from device_sdk import AioDevice, Limits
from device_sdk.outbox import Policy
from ingest.sequences_table import AccountRow, list_accounts
from iotsphere.infra.postgres import make_pool
from tests.support.edge import RunningEdge, running_edge
from tests.support.pki import Pki
from tests.support.servers import free_port

pytestmark = [pytest.mark.e2e, pytest.mark.loops("uvloop")]  # what the platform's processes run on


@pytest.fixture
async def devices() -> AsyncIterator[list[AioDevice]]:
    """Those that a test opened; closed in the end."""
    made: list[AioDevice] = []
    yield made
    for one in made:
        await one.close()


async def connected(edge: RunningEdge, devices: list[AioDevice], **options: Any) -> AioDevice:
    await edge.device("d")
    return await again(edge, devices, **options)


async def again(edge: RunningEdge, devices: list[AioDevice], **options: Any) -> AioDevice:
    """The next start of the same device."""
    here = edge.pki.directory
    made = AioDevice("d", port=edge.mqtt_port, ca=here / "ca.crt", certificate=here / "d.crt", key=here / "d.key", **options)
    devices.append(made)
    await made.connect()
    return made


async def account(dsn: str, settled: int, id: str = "d") -> AccountRow:
    """The device's only account, once so many numbers are received or declared lost in it."""
    pool = await make_pool(dsn, name="test")
    try:
        async with asyncio.timeout(20):
            while True:
                rows = await list_accounts(pool, id, "default", 10)
                if rows and rows[0].account.received + rows[0].account.declared >= settled:
                    [row] = rows
                    return row
                await asyncio.sleep(0.1)
    finally:
        await pool.close()


async def stored(dsn: str) -> list[float]:
    connection = await asyncpg.connect(dsn)
    try:
        return [row["value"] for row in await connection.fetch("select value from telemetry.telemetry order by timestamp")]
    finally:
        await connection.close()


async def settled(made: AioDevice) -> None:
    async with asyncio.timeout(20):
        while made.backlog:  # noqa: ASYNC110 - what is awaited is the device
            await asyncio.sleep(0.02)


async def test_a_device_that_publishes_through_a_restart_of_the_edge_misses_nothing(
    pki: Pki, migrated_dsn: str, valkey_url: str, devices: list[AioDevice]
) -> None:
    port, count, sending = free_port(), 0, True

    async def publish(made: AioDevice) -> None:
        nonlocal count
        while sending:
            count += 1
            await made.publish({"n": count})
            await asyncio.sleep(0.002)

    async with running_edge(pki, migrated_dsn, valkey_url, mqtt_port=port) as edge:
        made = await connected(edge, devices)
        task = asyncio.create_task(publish(made))
        await asyncio.sleep(0.7)
    async with running_edge(pki, migrated_dsn, valkey_url, mqtt_port=port):
        await asyncio.sleep(1)
        sending = False
        await task
        await settled(made)
        row = await account(migrated_dsn, count)
        assert (row.account.received, row.account.missing, row.account.declared) == (count, 0, 0)
        assert await stored(migrated_dsn) == list(range(1, count + 1))


@pytest.mark.parametrize("policy", ["drop_oldest", "drop_newest"])
async def test_what_did_not_fit_into_the_outbox_is_declared_lost(
    pki: Pki, migrated_dsn: str, valkey_url: str, devices: list[AioDevice], policy: Policy
) -> None:
    port = free_port()
    async with running_edge(pki, migrated_dsn, valkey_url, mqtt_port=port) as edge:
        made = await connected(edge, devices, limits=Limits(messages=20, policy=policy))
        for n in range(1, 11):
            await made.publish({"n": n})
        await settled(made)
    for n in range(11, 71):
        await made.publish({"n": n})
    assert made.dropped == 40
    async with running_edge(pki, migrated_dsn, valkey_url, mqtt_port=port):
        await settled(made)
        await made.publish({"n": 71})
        await settled(made)
        row = await account(migrated_dsn, 71)
        assert (row.account.received, row.account.declared, row.account.missing) == (31, 40, 0)
        assert (row.account.late, row.account.repeated) == (0, 0)
        lost = range(11, 51) if policy == "drop_oldest" else range(31, 71)
        assert list(row.account.dropped) == [(lost[0], lost[-1])]


async def test_a_device_without_a_clock_has_its_readings_at_their_times_and_a_run_for_each_start(
    pki: Pki, migrated_dsn: str, valkey_url: str, devices: list[AioDevice]
) -> None:
    async with running_edge(pki, migrated_dsn, valkey_url) as edge:
        before = time.time()
        for start in range(2):
            made = await connected(edge, devices, clock=None) if not start else await again(edge, devices, clock=None)
            await (await made.publish({"n": 2 * start}))
            await asyncio.sleep(0.3)
            await made.publish({"n": 2 * start + 1})
            await settled(made)
            await made.close()
        rows = await times(migrated_dsn)
        assert [value for value, _ in rows] == [0, 1, 2, 3]
        assert all(before - 1 < at < time.time() + 1 for _, at in rows)
        assert all(0.25 < later - first < 5 for (_, first), (_, later) in ((rows[0], rows[1]), (rows[2], rows[3])))
        async with asyncio.timeout(20):
            while await accounts(migrated_dsn) != [(2, 0), (2, 0)]:  # noqa: ASYNC110 - written by another task
                await asyncio.sleep(0.1)


async def accounts(dsn: str) -> list[tuple[int, int]]:
    """Received and missing, of each start."""
    pool = await make_pool(dsn, name="test")
    try:
        return [(row.account.received, row.account.missing) for row in await list_accounts(pool, "d", "default", 10)]
    finally:
        await pool.close()


async def times(dsn: str) -> list[tuple[float, float]]:
    """Values and when they were taken, seconds since the Unix epoch."""
    connection = await asyncpg.connect(dsn)
    try:
        rows = await connection.fetch("select value, timestamp from telemetry.telemetry order by timestamp")
        return [(row["value"], row["timestamp"].timestamp()) for row in rows]
    finally:
        await connection.close()
