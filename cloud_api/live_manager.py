"""Hands packets to Socket.IO clients: one packet shared by all; no task per client, no queue without bound."""

from asyncio import Queue
from collections.abc import Callable, Sequence
from typing import Any

import socketio
from engineio import packet as eio_packet
from socketio import packet

NAMESPACE = "/"
MAX_BACKLOG = 100


class FastManager(socketio.AsyncManager):  # type: ignore[misc]
    """Overflow policy: a client with MAX_BACKLOG packets waiting gets no more until half of them are gone; then it is told
    to read the state anew (`resync`) before anything else.

    Attributes:
        resync: makes the events, (name, data) each, that tell a client that it missed something.
    """

    def __init__(self, max_backlog: int = MAX_BACKLOG) -> None:
        super().__init__()
        self._max_backlog = max_backlog
        self._lagging: set[str] = set()
        self.resync: Callable[[], Sequence[tuple[str, Any]]] = tuple
        self.on_sent: Callable[[int], None] = lambda _: None
        self.on_dropped: Callable[[int], None] = lambda _: None

    def occupied(self, room: str) -> bool:
        """Whether anybody is in the room."""
        return room in self.rooms.get(NAMESPACE, {})

    async def emit(
        self, event: str, data: Any, namespace: str, room: Any = None, skip_sid: Any = None, callback: Any = None,
        to: Any = None, **more: Any,
    ) -> None:  # fmt: skip
        """Queue an event for everybody in the room or rooms, once each."""
        if callback or skip_sid or namespace != NAMESPACE:
            await super().emit(event, data, namespace, room=room, skip_sid=skip_sid, callback=callback, to=to, **more)
        else:
            self.broadcast(event, data, to or room)

    def broadcast(self, event: str, data: Any, rooms: Sequence[str] | str | None) -> None:
        """Queue an event for everybody in the rooms, once each; None means everybody. Waits for nobody."""
        if NAMESPACE in self.rooms:
            wanted = rooms if rooms is None or isinstance(rooms, str) else list(rooms)
            participants = {eio_sid for _, eio_sid in self.get_participants(NAMESPACE, wanted)}
            if participants:
                self._send(participants, self._packets(event, data))

    def _packets(self, event: str, data: Any) -> list[Any]:
        encoded = self.server.packet_class(packet.EVENT, namespace=NAMESPACE, data=[event, data]).encode()
        parts = encoded if isinstance(encoded, list) else [encoded]
        return [eio_packet.Packet(eio_packet.MESSAGE, part) for part in parts]

    def _send(self, participants: set[str], packets: list[Any]) -> None:
        sockets = self.server.eio.sockets
        sent = dropped = 0
        for eio_sid in participants:
            socket = sockets.get(eio_sid)
            if socket is None or socket.closed:
                continue
            if self._has_room(eio_sid, socket.queue):
                sent += _put(socket.queue, packets)
            else:
                dropped += 1
        self.on_sent(sent)
        self.on_dropped(dropped)

    def _has_room(self, eio_sid: str, queue: "Queue[Any]") -> bool:
        waiting = queue.qsize()
        if eio_sid not in self._lagging:
            if waiting < self._max_backlog:
                return True
            self._lagging.add(eio_sid)
            return False
        if waiting > self._max_backlog // 2:
            return False
        self._lagging.discard(eio_sid)
        for event, data in self.resync():
            _put(queue, self._packets(event, data))
        return True

    def forget_gone(self) -> None:
        """Drop what is remembered of closed connections."""
        self._lagging &= self.server.eio.sockets.keys()


def _put(queue: "Queue[Any]", packets: list[Any]) -> int:
    for one in packets:
        queue.put_nowait(one)
    return len(packets)
