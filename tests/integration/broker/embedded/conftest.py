"""Every test here runs on both event loops."""

import asyncio

import pytest
import uvloop

from tests.support.mqtt_raw import RawClient
from tests.support.mqtt_websocket import WebSocketClient

LOOPS = {"asyncio": asyncio.DefaultEventLoopPolicy, "uvloop": uvloop.EventLoopPolicy}


@pytest.fixture(params=LOOPS)
def event_loop_policy(request: pytest.FixtureRequest) -> asyncio.AbstractEventLoopPolicy:
    """`edge` runs on uvloop, whose transports differ in small ways."""
    policy: asyncio.AbstractEventLoopPolicy = LOOPS[request.param]()
    return policy


@pytest.fixture(params=[RawClient, WebSocketClient], ids=["tcp", "websocket"])
def over(request: pytest.FixtureRequest) -> type[RawClient]:
    """What is true of MQTT is true of it over both listeners."""
    client: type[RawClient] = request.param
    return client
