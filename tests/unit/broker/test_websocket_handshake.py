"""The opening handshake: every refusal by its status, in pieces of any size, and nothing raises."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.embedded.websocket_handshake import HEAD_BYTES, Declined, Opened, Opening

OWN, FOREIGN = "https://edge.example:8884", "https://evil.example"
HEADERS = {
    "Host": "edge.example:8884",
    "Upgrade": "websocket",
    "Connection": "keep-alive, Upgrade",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Protocol": "mqttv3.1, mqtt",
}


def request(path: str = "/mqtt", method: str = "GET", **changes: str | None) -> bytes:
    """A request whose headers are changed, or left out with None."""
    changed = {name.replace("_", "-"): value for name, value in changes.items()}
    headers = {**HEADERS, **changed}
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items() if value is not None)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def decide(data: bytes, *origins: str) -> Opened | Declined | None:
    return Opening(origins).receive(data)


def declined(data: bytes, *origins: str) -> tuple[int, str]:
    found = decide(data, *origins)
    assert isinstance(found, Declined)
    assert b"connection: close" in found.answer.lower()
    return int(found.answer.split()[1]), found.reason


def test_a_client_that_offers_mqtt_is_answered_with_it() -> None:
    found = decide(request() + b"rest")
    assert isinstance(found, Opened)
    assert found.answer.startswith(b"HTTP/1.1 101 ")
    assert b"sec-websocket-protocol: mqtt\r\n" in found.answer.lower()
    assert b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in found.answer
    assert b"extensions" not in found.answer.lower()  # compressed frames would have no bound
    assert found.rest == b"rest"


@pytest.mark.parametrize("origin", [None, OWN, OWN.upper(), "https://panel.example"])
def test_no_origin_our_own_and_the_listed_ones_may_connect(origin: str | None) -> None:
    assert isinstance(decide(request(Origin=origin), "https://panel.example"), Opened)


@pytest.mark.parametrize(
    "origin", [FOREIGN, "null", "", "http://edge.example:8884", "https://edge.example", "https://edge.example:8884.evil.example"]
)
def test_a_page_from_elsewhere_is_forbidden(origin: str) -> None:
    status, reason = declined(request(Origin=origin), "https://panel.example")
    assert (status, reason) == (403, f"WebSocket: a page of {origin} may not connect: see IOTSPHERE_WSS_ORIGINS")


def test_one_foreign_origin_among_several_is_enough() -> None:
    both = request(Origin=OWN).replace(b"Upgrade: websocket", b"Upgrade: websocket\r\nOrigin: https://evil.example")
    assert declined(both)[0] == 403


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (request("/"), 404),
        (request("/mqtt/"), 404),
        (request(Sec_WebSocket_Protocol=None), 400),
        (request(Sec_WebSocket_Protocol="mqttv3.1"), 400),
        (request(Sec_WebSocket_Version="8"), 426),
        (request(Sec_WebSocket_Key=None), 400),
        (request(Upgrade=None), 400),
        (request(Upgrade="h2c"), 400),
        (request(Connection="close"), 400),
        (request(Host=None), 400),
        (request(Host="\xff"), 400),
        (request(method="POST"), 400),
        (b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01d\r\n\r\n", 400),
        (b"\r\n\r\n", 400),
        (request(X="y" * HEAD_BYTES), 431),
        (b"GET /" + b"x" * HEAD_BYTES, 431),
    ],
)
def test_what_is_no_request_of_ours_is_answered_with_its_status(data: bytes, status: int) -> None:
    assert declined(data)[0] == status


def test_a_query_does_no_harm() -> None:
    assert isinstance(decide(request("/mqtt?x=1")), Opened)


@given(st.integers(1, 50))
def test_pieces_of_any_size_make_one_request(size: int) -> None:
    opening, data = Opening(()), request()
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    assert [opening.receive(piece) for piece in pieces[:-1]] == [None] * (len(pieces) - 1)
    assert isinstance(opening.receive(pieces[-1]), Opened)


@given(st.binary(max_size=200), st.integers(0, 300), st.integers(0, 20))
def test_damaged_requests_are_declined_or_wait_and_never_raise(junk: bytes, at: int, cut: int) -> None:
    data = request()
    decide(data[:at] + junk + data[at + cut :])
    decide(junk + b"\r\n\r\n")
