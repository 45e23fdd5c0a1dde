"""Filters of devices without a clean session, kept in a real database."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from broker.subscriptions import KeptSubscriptions
from iotsphere import topics
from iotsphere.infra.postgres import Pool
from tests.support.brokers import running_broker
from tests.support.mqtt_raw import RawClient, field, packet, subscribe
from tests.support.pki import Pki
from tests.support.registry_rows import add_device
from tests.support.waiting import until

pytestmark = pytest.mark.integration
COMMANDS = topics.command_request_filter("d")
DELTA = topics.shadow_reply("d", "update", "delta")


@pytest.fixture
async def kept(pool: Pool) -> AsyncIterator[KeptSubscriptions]:
    await add_device(pool, "d")
    made = KeptSubscriptions(pool)
    await made.start()
    yield made
    await made.stop()


async def certain(kept: KeptSubscriptions, change: dict[str, int | None], device: str = "d") -> None:
    done = asyncio.Event()
    kept.change(device, change, done.set)
    await asyncio.wait_for(done.wait(), 5)


async def rows(pool: Pool) -> dict[str, int]:
    return dict(await pool.fetch("select filter, qos from registry.subscriptions"))


async def test_a_change_is_certain_once_it_is_committed(pool: Pool, kept: KeptSubscriptions) -> None:
    await certain(kept, {COMMANDS: 1, DELTA: 0})
    assert await rows(pool) == {COMMANDS: 1, DELTA: 0}
    await certain(kept, {COMMANDS: 2, DELTA: None})
    assert await rows(pool) == kept.get("d") == {COMMANDS: 2}
    again = KeptSubscriptions(pool)
    await again.start()
    assert (len(again), again.get("d")) == (1, {COMMANDS: 2})
    await again.stop()


async def test_what_is_kept_already_is_certain_at_once(kept: KeptSubscriptions) -> None:
    await certain(kept, {COMMANDS: 1})
    told: list[int] = []
    kept.change("d", {COMMANDS: 1}, lambda: told.append(1))
    assert told == [1]


async def test_the_last_of_quick_changes_counts(pool: Pool, kept: KeptSubscriptions) -> None:
    for qos in (0, 1, None, 2):
        kept.change("d", {COMMANDS: qos}, lambda: None)
    await certain(kept, {DELTA: 1})
    assert await rows(pool) == {COMMANDS: 2, DELTA: 1}


async def test_a_device_that_is_not_registered_harms_nobody(pool: Pool, kept: KeptSubscriptions) -> None:
    kept.change("stranger", {"iot/v1/stranger/#": 1}, lambda: None)
    await certain(kept, {COMMANDS: 1})
    assert await rows(pool) == {COMMANDS: 1}


async def test_a_change_waits_for_an_absent_database(pool: Pool, kept: KeptSubscriptions) -> None:
    told: list[int] = []
    async with pool.acquire() as blocking, blocking.transaction():
        await blocking.execute("lock table registry.subscriptions in access exclusive mode")
        kept.change("d", {COMMANDS: 1}, lambda: told.append(1))
        await asyncio.sleep(0.1)
        kept.change("d", {COMMANDS: 1}, lambda: told.append(2))  # nothing new, and not certain either
        assert told == []
    await until(lambda: told == [1, 2])


async def test_a_device_is_not_deaf_after_a_restart_of_the_broker(pool: Pool, kept: KeptSubscriptions, pki: Pki) -> None:
    async with running_broker(pki, subscriptions=kept) as it:
        client = await it.client("d", clean=False)
        await client.subscribed(COMMANDS, DELTA)
        client.write(packet(0xA2, b"\x00\x02" + field(DELTA)))
        assert await client.packet() == b"\xb0\x02\x00\x02"
        await client.close()
    restarted = KeptSubscriptions(pool)
    await restarted.start()
    async with running_broker(pki, subscriptions=restarted) as it:
        client = await it.client("d", clean=False, present=True)
        assert it.listener.subscribed == [COMMANDS]
        await it.broker.send("d", topics.command_request("d", "c"), b"heard")
        assert (await client.received()).payload == b"heard"
        await client.close()
        await (await it.client("d", clean=True)).close()
        await certain(restarted, {DELTA: None})
        assert await rows(pool) == {}
    await restarted.stop()


async def test_a_suback_waits_for_the_commit_and_the_connection_is_bounded_and_served_meanwhile(
    pool: Pool, kept: KeptSubscriptions, pki: Pki
) -> None:
    async with running_broker(pki, subscriptions=kept) as it:
        async with pool.acquire() as blocking, blocking.transaction():
            await blocking.execute("lock table registry.subscriptions in access exclusive mode")
            client = await it.client("d", clean=False)
            subscribing = asyncio.create_task(_subscribe_often(client))
            await client.alive()
            await until(lambda: it.broker.health().paused_sockets == 1)
            await it.broker.send("d", topics.command_request("d", "c"), b"heard")
            assert (await client.message()).payload == b"heard"
        await subscribing
        answers = [await client.packet() for _ in range(100)]
        assert [int.from_bytes(a[2:4], "big") for a in answers] == list(range(1, 101))
        await client.close()


async def _subscribe_often(client: RawClient) -> None:
    for number in range(1, 101):
        client.write(subscribe(number, COMMANDS))
        await asyncio.sleep(0.002)
