"""What a connection held is free when it has gone, and the system has it back after many."""

import gc
import weakref
from collections.abc import Iterator

import pytest

from broker.embedded import engine
from iotsphere import topics
from tests.support.brokers import running_broker
from tests.support.mqtt_raw import RawClient
from tests.support.pki import Pki
from tests.support.waiting import until

pytestmark = pytest.mark.integration


@pytest.fixture
def no_collection() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collection")
async def test_a_gone_connection_is_freed_without_a_collection_of_garbage(pki: Pki, over: type[RawClient]) -> None:
    async with running_broker(pki, over=over) as it:
        client = await it.client("d")
        await client.subscribed(topics.command_request_filter("d"))
        await client.published(topics.telemetry("d"), b"{}")
        (connection,) = map(weakref.ref, it.broker._connections)
        client.vanish()
        await until(lambda: connection() is None)
        left = await it.client("d")
        (connection,) = map(weakref.ref, it.broker._connections)
        await left.leave()
        await until(lambda: connection() is None)
        await client.close()


async def test_memory_is_given_back_when_many_have_gone(pki: Pki, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[int] = []
    async with running_broker(pki) as it:
        monkeypatch.setattr(engine, "ENDED", 5)
        monkeypatch.setattr(engine, "give_back", lambda: given.append(len(it.broker._connections)))
        for _ in range(2):
            clients = [await it.client(f"d{number}") for number in range(5)]
            for client in clients:
                client.vanish()
            await until(lambda: given == [0])
            given.clear()
