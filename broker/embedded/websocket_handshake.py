"""The opening handshake of MQTT over WebSocket: who is let in (RFC 6455, section 4; MQTT 3.1.1, section 6). Pure."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import cast

from wsproto.connection import Connection as Frames
from wsproto.connection import ConnectionType
from wsproto.events import AcceptConnection, RejectConnection, RejectData, Request
from wsproto.handshake import H11Handshake
from wsproto.utilities import RemoteProtocolError

PATH = "/mqtt"
SUBPROTOCOL = "mqtt"
HEAD_BYTES = 8192
END_OF_HEAD = b"\r\n\r\n"
TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Opened:
    """The client is let in.

    Attributes:
        answer: bytes for the client.
        rest: what it sent behind its request.
    """

    answer: bytes
    frames: Frames
    rest: bytes


@dataclass(frozen=True, slots=True)
class Declined:
    """The client is not let in; ``reason`` is told to the platform, and with ``answer`` to the client."""

    answer: bytes
    reason: str


class Opening:
    """Collects a client's request and decides on it.

    Args:
        origins: of web pages that may use the certificate in their visitor's browser, such as ``https://panel.example``, in
            lower case. A page that this very host serves may too; a client that names no origin is no browser.
    """

    def __init__(self, origins: Collection[str]) -> None:
        self._origins = origins
        self._received = bytearray()

    def receive(self, data: bytes) -> Opened | Declined | None:
        """The decision, or None while the request is not all there. At most HEAD_BYTES are kept."""
        self._received += data
        end = self._received.find(END_OF_HEAD, 0, HEAD_BYTES)
        if end < 0:
            too_large = len(self._received) >= HEAD_BYTES
            return Declined(TOO_LARGE, f"the request's headers are larger than {HEAD_BYTES} bytes") if too_large else None
        end += len(END_OF_HEAD)
        return self._decide(bytes(self._received[:end]), bytes(self._received[end:]))

    def _decide(self, head: bytes, rest: bytes) -> Opened | Declined:
        handshake = H11Handshake(ConnectionType.SERVER)
        try:
            handshake.receive_data(head)
            request = next(handshake.events(), None)
        except RemoteProtocolError as error:
            hint = error.event_hint
            status = hint.status_code if isinstance(hint, RejectConnection) else 400
            return _declined(handshake, status, str(error), hint.headers if isinstance(hint, RejectConnection) else [])
        except ValueError:  # a header or a target that is not ASCII
            request = None
        if not isinstance(request, Request):
            return _declined(handshake, 400, "not a WebSocket request")
        return self._judge(handshake, request, rest)

    def _judge(self, handshake: H11Handshake, request: Request, rest: bytes) -> Opened | Declined:
        if request.target.partition("?")[0] != PATH:
            return _declined(handshake, 404, f"MQTT is at {PATH}")
        if (stranger := self._stranger(request)) is not None:
            return _declined(handshake, 403, f"a page of {stranger} may not connect: see IOTSPHERE_WSS_ORIGINS")
        if SUBPROTOCOL not in request.subprotocols:
            return _declined(handshake, 400, f"the client does not offer the sub-protocol {SUBPROTOCOL}")
        answer = handshake.send(AcceptConnection(subprotocol=SUBPROTOCOL))
        return Opened(answer, cast("Frames", handshake.connection), rest)

    def _stranger(self, request: Request) -> str | None:
        """The origin that may not connect, if one is named."""
        named = [value.decode("latin-1").lower() for name, value in request.extra_headers if name == b"origin"]
        own = f"https://{request.host.lower()}"
        return next((origin for origin in named if origin != own and origin not in self._origins), None)


def _declined(handshake: H11Handshake, status: int, reason: str, headers: list[tuple[bytes, bytes]] | None = None) -> Declined:
    body = f"{reason}\n".encode()
    more = [(b"connection", b"close"), (b"content-type", b"text/plain"), (b"content-length", b"%d" % len(body))]
    answer = handshake.send(RejectConnection(status_code=status, headers=[*(headers or []), *more], has_body=True))
    return Declined(answer + handshake.send(RejectData(data=body)), f"WebSocket: {reason}")
