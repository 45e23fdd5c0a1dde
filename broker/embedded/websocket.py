"""MQTT over WebSocket: frames on the outside, to a connection a transport like any other. wsproto knows the frames."""

import asyncio
from collections.abc import Callable, Collection
from typing import Protocol, cast

from wsproto.connection import Connection as Frames
from wsproto.connection import ConnectionState
from wsproto.events import BytesMessage, CloseConnection, Event, Ping, TextMessage
from wsproto.frame_protocol import CloseReason

from broker.embedded.arrivals import Host
from broker.embedded.websocket_handshake import Declined, Opening
from iotsphere.events import SessionReason
from iotsphere.identity import PeerCertificate

FRAMES_A_TURN = 128
"""Frames of one client in one turn of the loop: 256 KiB of frames of a byte each would keep everybody else waiting."""
FRAMES_A_PACKET = 4
"""So many frames that end no packet cost as much as a packet. A frame takes about 10 µs; clients may cut a packet into a few."""


class Inner(Protocol):
    """What a connection is to its transport, beside an asyncio.Protocol."""

    spent: int

    def connection_lost(self, error: Exception | None) -> None: ...
    def data_received(self, data: bytes) -> None: ...
    def pause_writing(self) -> None: ...
    def resume_writing(self) -> None: ...
    def refuse(self, category: str, reason: str, topic: str | None) -> bool: ...
    def spend(self, count: int = 1) -> None: ...
    def close(self, reason: SessionReason) -> None: ...


class WebSockets:
    """Those that arrive at the WebSocket port, handed on to ``host`` as if they had come over TCP.

    Attributes:
        open: how many are in.
    """

    def __init__(self, host: Host, origins: Collection[str]) -> None:
        self._host = host
        self._origins = origins
        self.open = 0

    def welcome(self, transport: asyncio.Transport, certificate: PeerCertificate, peer: str) -> None:
        """TLS is up; the opening handshake counts as a part of the wait for CONNECT."""
        socket = WebSocket(transport, Opening(self._origins), self._left)
        transport.set_protocol(socket)
        self.open += 1
        self._host.welcome(socket, certificate, peer)

    def refused(self, device: str | None, category: str, reason: str, topic: str | None, peer: str) -> None:
        """Somebody did not get in."""
        self._host.refused(device, category, reason, topic, peer)

    def _left(self) -> None:
        self.open -= 1


class WebSocket(asyncio.Transport, asyncio.Protocol):
    """One client's WebSocket: the protocol of its TLS transport, and the transport of its MQTT connection.

    Args:
        raw: TLS.
        left: called once, when it is closed.
    """

    _inner: Inner

    def __init__(self, raw: asyncio.Transport, opening: Opening, left: Callable[[], None]) -> None:
        super().__init__()
        self._raw = raw
        self._opening: Opening | None = opening
        self._left = left
        self._frames: Frames | None = None
        self._code: int = CloseReason.NORMAL_CLOSURE
        self._turn: asyncio.Handle | None = None  # frames are left for the next turn
        self._is_backlogged = False
        self._is_held = False  # the connection does not want to be read
        self._is_closed = False
        self._received = 0  # frames with data
        self._charged = 0  # spent for such as ended no packet

    # ── from the network ───────────────────────────────────────────────────────────────────────────────────────────

    def data_received(self, data: bytes) -> None:
        """A request at first, frames afterwards."""
        if self._frames is None:
            data = self._open(data)
        if self._frames is not None and self._frames.state is not ConnectionState.CLOSED:
            self._frames.receive_data(data)
            if not self._is_backlogged:
                self._take_turn()

    def connection_lost(self, error: Exception | None) -> None:
        """TLS is gone."""
        self._frames = None
        if self._turn is not None:
            self._turn.cancel()
        self._inner.connection_lost(error)

    def pause_writing(self) -> None:
        """The client reads slowly."""
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        """The client has read."""
        self._inner.resume_writing()

    def _open(self, data: bytes) -> bytes:
        decided = None if self._is_closed or self._opening is None else self._opening.receive(data)
        if decided is None:
            return b""
        self._opening = None
        self._raw.write(decided.answer)
        if isinstance(decided, Declined):
            self._inner.refuse("protocol", decided.reason, None)
            self._inner.close("protocol")
            return b""
        self._frames = decided.frames
        return decided.rest

    def _take_turn(self) -> None:
        """Hand on what at most FRAMES_A_TURN frames carry; the rest waits for the next turn, or until the connection reads."""
        self._turn = None
        frames = self._frames
        if frames is None or (self._is_backlogged and self._is_held):
            return
        data: list[bytes] = []
        last, count = None, 0
        for event in frames.events():
            count += 1
            last = event
            if not self._take(event, data) or count == FRAMES_A_TURN:
                break
        if count and not self._is_closed:
            self._inner.data_received(b"".join(data))
            self._charge()
        self._end(last)
        self._go_on(is_backlogged=count == FRAMES_A_TURN)

    def _take(self, event: Event, data: list[bytes]) -> bool:
        """Whether it goes on after this frame. What is no MQTT counts as a packet, for the rate."""
        if isinstance(event, BytesMessage):
            data.append(bytes(event.data))
            self._received += event.frame_finished
            return True
        if isinstance(event, TextMessage | CloseConnection):
            return False
        self._inner.spend()
        if isinstance(event, Ping) and self._frames is not None and self._frames.state is ConnectionState.OPEN:
            self._raw.write(self._frames.send(event.response()))
        return True

    def _charge(self) -> None:
        """Frames that end no packet, for which nothing was spent therefore, count for the rate as well."""
        cut = self._received - (self._inner.spent - self._charged)
        count = cut // FRAMES_A_PACKET - self._charged
        if count > 0:
            self._charged += count
            self._inner.spend(count)

    def _end(self, event: Event | None) -> None:
        if isinstance(event, TextMessage):
            self._fail(CloseReason.UNSUPPORTED_DATA, "a text frame")
        elif isinstance(event, CloseConnection) and self._frames is not None:
            if self._frames.state in (ConnectionState.OPEN, ConnectionState.LOCAL_CLOSING):  # wsproto's word for a bad frame
                self._fail(event.code, event.reason or "a bad frame")
            elif self._is_closed:
                self._raw.close()  # the answer to ours
            else:
                self._code = event.code
                self._inner.close("network")

    def _fail(self, code: int, reason: str) -> None:
        if self._is_closed:
            self._raw.close()
            return
        self._code = code
        self._inner.refuse("protocol", f"WebSocket: {reason}", None)
        self._inner.close("protocol")
        self._raw.close()

    def _go_on(self, *, is_backlogged: bool) -> None:
        was_backlogged, self._is_backlogged = self._is_backlogged, is_backlogged
        if is_backlogged:
            self._raw.pause_reading()
            self._turn = asyncio.get_running_loop().call_soon(self._take_turn)
        elif was_backlogged and not self._is_held:
            self._raw.resume_reading()

    # ── from the connection ────────────────────────────────────────────────────────────────────────────────────────

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """The connection that this is the transport of."""
        self._inner = cast("Inner", protocol)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """One binary frame."""
        if self._frames is not None and self._frames.state is ConnectionState.OPEN:
            self._raw.write(self._frames.send(BytesMessage(data=bytes(data))))

    def pause_reading(self) -> None:
        """Take nothing more from the client."""
        self._is_held = True
        self._raw.pause_reading()

    def resume_reading(self) -> None:
        """Take from the client again, what has come already first."""
        self._is_held = False
        if not self._is_backlogged:
            self._raw.resume_reading()
        elif self._turn is None:
            self._turn = asyncio.get_running_loop().call_soon(self._take_turn)

    def is_closing(self) -> bool:
        """Whether this end is closed."""
        return self._is_closed

    def close(self) -> None:
        """Say so, and end TLS when the client has said so too; whoever owns the connection aborts it when that takes long."""
        if self._is_closed:
            return
        self._is_closed = True
        self._left()
        if self._frames is None:
            self._raw.close()
            return
        self._raw.write(self._frames.send(CloseConnection(code=self._code)))
        if self._frames.state is ConnectionState.CLOSED:
            self._raw.close()
        else:
            self.resume_reading()

    def abort(self) -> None:
        """End it at once."""
        self._raw.abort()

    def get_write_buffer_size(self) -> int:
        """Bytes that the client has not taken yet."""
        return self._raw.get_write_buffer_size()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """When pause_writing is called."""
        self._raw.set_write_buffer_limits(high, low)
