"""Every test here runs on both event loops."""

import pytest

from tests.support.loops import LOOPS, Loops
from tests.support.mqtt_raw import RawClient
from tests.support.mqtt_websocket import WebSocketClient


def pytest_asyncio_loop_factories() -> Loops:
    """`edge` runs on uvloop, whose transports differ in small ways."""
    return LOOPS


@pytest.fixture(params=[RawClient, WebSocketClient], ids=["tcp", "websocket"])
def over(request: pytest.FixtureRequest) -> type[RawClient]:
    """What is true of MQTT is true of it over both listeners."""
    client: type[RawClient] = request.param
    return client
