"""When a connection is read: not without room, not above its rate, not while it takes no answers, and never out of its turn."""

import asyncio
from typing import TYPE_CHECKING, cast

from broker.embedded.bucket import Bucket
from broker.embedded.framing import MalformedPacket
from broker.embedded.state import State

if TYPE_CHECKING:
    from broker.api import SessionReason
    from broker.embedded.engine import EmbeddedBroker


class Paced(asyncio.Protocol):
    """The receiving half of a connection.

    Attributes:
        unacknowledged, pending_bytes: what waits for the store.
        spent: so much has counted for the rate so far.
        is_paused: the socket is not read.
        is_behind: what has been read is not handled yet; it goes on in a later turn of the loop, when nothing speaks against it.
    """

    def __init__(self, engine: "EmbeddedBroker") -> None:
        self.engine = engine
        self.state = State.NEW
        self.transport: asyncio.Transport | None = None
        self.unacknowledged = 0
        self.pending_bytes = 0
        self.spent = 0
        self.is_paused = False
        self.is_behind = False
        self._buffer = b""
        self._bucket = Bucket(engine.limits.rate, engine.limits.burst, engine.clock)
        self._throttle: asyncio.TimerHandle | None = None
        self._next_turn: asyncio.Handle | None = None
        self._is_unread = False  # the client does not take what we have written

    def _handle(self) -> None:
        """Handle whole packets of the buffer, at most as many as a turn may take.

        Raises:
            MalformedPacket: the connection ends.
        """
        raise NotImplementedError

    def refuse(self, category: str, reason: str, topic: str | None) -> bool:
        """Tell the platform what was refused; True when it was one too many."""
        raise NotImplementedError

    def close(self, reason: "SessionReason") -> None:
        """End the connection."""
        raise NotImplementedError

    # ── transport ──────────────────────────────────────────────────────────────────────────────────────────────────

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """TLS is up."""
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Handle the packets of this read, unless earlier ones wait."""
        self._buffer = self._buffer + data if self._buffer else data
        if self.state is State.CHECKING or self.is_behind:
            self.pause()
        else:
            self._take_turn()

    def pause_writing(self) -> None:
        """The client reads slowly. The outgoing queue looks at the buffer's size itself; the rest is answers to what we read."""
        self._is_unread = True

    def resume_writing(self) -> None:
        """The client has read."""
        self._is_unread = False
        if self.state is State.LIVE:
            self._read_on()

    def buffered(self) -> int:
        """Bytes that the client has not taken yet."""
        return self.transport.get_write_buffer_size() if self.transport is not None else 0

    # ── turns ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _take_turn(self) -> None:
        try:
            self._handle()
        except MalformedPacket as error:
            self.refuse("protocol", str(error), None)
            self.close("protocol")
        if self._is_unread and self.buffered() > self.engine.limits.unread_bytes:
            self.pause()
        if self.is_behind:
            self.fall_behind()

    def fall_behind(self) -> None:
        """Something is left for later turns; nothing more is read until it is done."""
        self.is_behind = True
        self.pause()
        self._ask_for_turn()

    def _ask_for_turn(self) -> None:
        if self._next_turn is None:  # one at a time, however many things have made room
            self._next_turn = self.engine.loop.call_soon(self._catch_up)

    def _catch_up(self) -> None:
        self._next_turn = None
        if self.is_behind and self.state is State.LIVE and self._has_room() and not self._is_held():
            self.is_behind = False
            self._take_turn()
            if not self.is_behind:
                self._read_on()

    # ── room and rate ──────────────────────────────────────────────────────────────────────────────────────────────

    def hold(self) -> None:
        """A SUBSCRIBE or UNSUBSCRIBE waits for the store, as a message does."""
        self.unacknowledged += 1
        if self.unacknowledged > self.engine.limits.unacknowledged:
            self.pause()

    def let_go(self) -> None:
        """It waits no longer."""
        self.unacknowledged -= 1
        self._read_on()

    def spend(self, count: int = 1) -> None:
        """So many messages, or packets that cost as much, for the rate."""
        self.spent += count
        self._bucket.tokens -= count
        if self._bucket.tokens < 0:
            self._slow_down()

    def _slow_down(self) -> None:
        if (seconds := self._bucket.debt()) and self._throttle is None:
            self.engine.throttled += 1
            self._throttle = self.engine.loop.call_later(seconds, self._speed_up)
            self.pause()

    def _speed_up(self) -> None:
        self._throttle = None
        self._slow_down()  # it may have been overdrawn by more since
        self._read_on()

    def _has_room(self) -> bool:
        limits = self.engine.limits
        return self.unacknowledged * 2 <= limits.unacknowledged and self.pending_bytes * 2 <= limits.pending_bytes

    def _is_held(self) -> bool:
        return self._throttle is not None or self._is_unread or self.engine.stopping

    def pause(self) -> None:
        """Do not read until there is room again."""
        if not self.is_paused and self.transport is not None and not self.transport.is_closing():
            self.is_paused = True
            self.engine.paused += 1
            self.transport.pause_reading()

    def _read_on(self) -> None:
        if self._has_room():
            self.resume()

    def resume(self) -> None:
        """Read again, what was read already first, unless something else speaks against it."""
        if self.state is not State.LIVE or self._is_held():
            return
        if self.is_behind:
            self._ask_for_turn()
        elif self.is_paused:
            self.is_paused = False
            self.engine.paused -= 1
            if self.transport is not None and not self.transport.is_closing():
                self.transport.resume_reading()
