"""Ports that are free, taken, or picked."""

import socket

import pytest

from iotsphere.errors import PortTaken
from iotsphere.settings import Settings
from launcher import ports

pytestmark = pytest.mark.integration


def test_a_taken_port_is_named_with_its_setting() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(PortTaken, match=f"port {port} .*IOTSPHERE_HTTP_PORT"):
            ports.claim("127.0.0.1", port, "IOTSPHERE_HTTP_PORT")
    assert ports.claim("127.0.0.1", port, "IOTSPHERE_HTTP_PORT") == port


def test_a_picked_port_is_not_one_that_outgoing_connections_get() -> None:
    lowest = int(ports.RANGE_FILE.read_text().split()[0])
    if lowest <= ports.LOWEST:
        pytest.skip("this machine gives nearly all ports to outgoing connections")
    assert all(ports.LOWEST <= ports.claim("127.0.0.1", 0, "X") < lowest for _ in range(50))


def test_all_are_claimed_but_those_of_stores_elsewhere() -> None:
    free = dict.fromkeys(("mqtt_port", "wss_port", "http_port", "edge_port", "postgres_port", "valkey_port"), 0)
    assert ports.claim_all(Settings(**free)).keys() == free.keys()
    elsewhere = Settings(**free, dsn="postgresql://elsewhere", redis_url="redis://elsewhere")
    assert free.keys() - ports.claim_all(elsewhere).keys() == {"postgres_port", "valkey_port"}
