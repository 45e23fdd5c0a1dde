"""A device written with AWS's SDK uses its shadows unchanged: the V2 client of `awsiot.iotshadow` against a whole `edge`."""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

import pytest
from awscrt import mqtt
from awscrt.mqtt_request_response import ClientOptions
from awsiot import ServiceStreamOptions, V2ServiceException, iotshadow, mqtt_connection_builder

from iotsphere.bus import MemoryBus
from iotsphere.infra.postgres import make_pool
from iotsphere.infra.valkey_signals import ValkeySignals
from shadow.cache import ShadowCache, connect
from shadow.service import ShadowService, Target
from tests.support.edge import RunningEdge, running_edge
from tests.support.pki import Pki
from tests.support.waiting import until

pytestmark = pytest.mark.e2e
THING, NAME = "thing-1", "lamp"
LONG_S = 20


async def done(future: "Future[Any]") -> Any:
    return await asyncio.wait_for(asyncio.wrap_future(future), LONG_S)


@dataclass
class Thing:
    """The SDK's connection and shadow client of one thing, and what the application hears."""

    connection: mqtt.Connection
    client: iotshadow.IotShadowClientV2
    deltas: list[Any] = field(default_factory=list)


def connection_to(edge: RunningEdge) -> mqtt.Connection:
    """As AWS's samples make it."""
    directory = edge.pki.directory
    return mqtt_connection_builder.mtls_from_path(
        endpoint="127.0.0.1",
        port=edge.mqtt_port,
        cert_filepath=str(directory / f"{THING}.crt"),
        pri_key_filepath=str(directory / f"{THING}.key"),
        ca_filepath=str(edge.pki.authority.ca_file),
        client_id=THING,
        clean_session=True,
        keep_alive_secs=30,
    )


@pytest.fixture
async def edge(pki: Pki, migrated_dsn: str, valkey_url: str) -> AsyncIterator[RunningEdge]:
    async with running_edge(pki, migrated_dsn, valkey_url) as running:
        await running.device(THING, device_type="")
        yield running


@pytest.fixture
async def thing(edge: RunningEdge) -> AsyncIterator[Thing]:
    connection = connection_to(edge)
    await done(connection.connect())
    options = ClientOptions(
        max_request_response_subscriptions=4, max_streaming_subscriptions=4, operation_timeout_in_seconds=LONG_S
    )
    yield Thing(connection, iotshadow.IotShadowClientV2(connection, options))
    await done(connection.disconnect())


@pytest.fixture
async def service(migrated_dsn: str, valkey_url: str, edge: RunningEdge) -> AsyncIterator[ShadowService]:
    """The side of the applications, in a process of its own as far as `edge` can tell."""
    pool, redis, signals = await make_pool(migrated_dsn, name="test"), connect(valkey_url), ValkeySignals(valkey_url)
    await signals.start()
    yield ShadowService(pool, ShadowCache(redis, pool), MemoryBus(), signals, {})
    await signals.stop()
    await redis.aclose()
    await pool.close()


async def test_the_classic_shadow(thing: Thing, service: ShadowService) -> None:
    client = thing.client
    with pytest.raises(V2ServiceException) as refused:
        await done(client.get_shadow(iotshadow.GetShadowRequest(thing_name=THING)))
    assert refused.value.modeled_error.code == 404
    stream = client.create_shadow_delta_updated_stream(
        iotshadow.ShadowDeltaUpdatedSubscriptionRequest(thing_name=THING),
        ServiceStreamOptions(incoming_event_listener=thing.deltas.append),
    )
    stream.open()
    reported = iotshadow.UpdateShadowRequest(thing_name=THING, state=iotshadow.ShadowState(reported={"colour": "red"}))
    accepted = await done(client.update_shadow(reported))
    assert (accepted.version, accepted.state.reported) == (1, {"colour": "red"})
    assert accepted.timestamp.year >= 2023  # epoch seconds
    wished = await service.update_desired(Target(THING, "", "default", False), {"colour": "blue"}, actor="ann")
    await until(lambda: thing.deltas, LONG_S)
    delta = thing.deltas[0]
    assert (delta.version, delta.state) == (wished.version, {"colour": "blue"})
    assert list(delta.metadata["colour"]) == ["timestamp"]
    reported.state, reported.version = iotshadow.ShadowState(reported=delta.state), delta.version
    assert (await done(client.update_shadow(reported))).version == wished.version + 1
    with pytest.raises(V2ServiceException) as refused:
        await done(client.update_shadow(reported))
    assert refused.value.modeled_error.code == 409
    found = await done(client.get_shadow(iotshadow.GetShadowRequest(thing_name=THING)))
    assert (found.state.desired, found.state.reported, found.state.delta) == ({"colour": "blue"}, {"colour": "blue"}, None)
    gone = await done(client.delete_shadow(iotshadow.DeleteShadowRequest(thing_name=THING)))
    assert gone.version == wished.version + 2
    again = await done(client.update_shadow(iotshadow.UpdateShadowRequest(thing_name=THING, state=reported.state)))
    assert again.version == gone.version + 1


async def test_a_named_shadow(thing: Thing, service: ShadowService) -> None:
    client = thing.client
    stream = client.create_named_shadow_delta_updated_stream(
        iotshadow.NamedShadowDeltaUpdatedSubscriptionRequest(thing_name=THING, shadow_name=NAME),
        ServiceStreamOptions(incoming_event_listener=thing.deltas.append),
    )
    stream.open()
    state = iotshadow.ShadowState(reported={"on": False})
    update = iotshadow.UpdateNamedShadowRequest(thing_name=THING, shadow_name=NAME, state=state)
    assert (await done(client.update_named_shadow(update))).version == 1
    await service.update_desired(Target(THING, "", "default", False, NAME), {"on": True}, actor="ann")
    await until(lambda: thing.deltas, LONG_S)
    assert thing.deltas[0].state == {"on": True}
    found = await done(client.get_named_shadow(iotshadow.GetNamedShadowRequest(thing_name=THING, shadow_name=NAME)))
    assert (found.version, found.state.delta) == (2, {"on": True})
    gone = await done(client.delete_named_shadow(iotshadow.DeleteNamedShadowRequest(thing_name=THING, shadow_name=NAME)))
    assert gone.version == 3


async def test_another_thing_s_shadow_is_out_of_reach(thing: Thing) -> None:
    with pytest.raises(V2ServiceException):
        await done(thing.client.get_shadow(iotshadow.GetShadowRequest(thing_name="thing-2")))
