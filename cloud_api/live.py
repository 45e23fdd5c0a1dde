"""Live values and events in the browser, over Socket.IO.

A client proves who it is with its access token at connect, joins rooms that it may see, and hears `expired` before the
session ends with the token. Events come from the bus, so they may be lossy: a client reads the state over REST at every
(re)connect and whenever `live` says ok again.
"""

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec
import socketio
import structlog

from cloud_api.auth import Principal, Tokens
from cloud_api.domain.devices.service import Devices
from cloud_api.errors import AWAY
from cloud_api.live_directory import Directory
from cloud_api.live_feed import Feed
from cloud_api.live_manager import MAX_BACKLOG, FastManager
from cloud_api.live_rooms import inner
from cloud_api.metrics import LiveMetrics
from iotsphere.bus import EventBus
from iotsphere.errors import CallerError, NotFound, Unauthenticated

MAX_ROOMS = 500
HOUSEKEEPING_S = 1.0
_log = structlog.get_logger(__name__)


class Json:
    """The codec that Socket.IO uses; NaN becomes null."""

    @staticmethod
    def dumps(value: Any, **_: Any) -> str:
        """Encode."""
        return msgspec.json.encode(value).decode()

    @staticmethod
    def loads(text: str | bytes, **_: Any) -> Any:
        """Decode.

        Raises:
            ValueError: it is no JSON.
        """
        return msgspec.json.decode(text)


@dataclass(slots=True)
class Session:
    """A connected client."""

    principal: Principal
    rooms: set[str] = field(default_factory=set)
    told: str = "ok"  # what a client takes for granted at its connect


class Live:
    """The Socket.IO server and its rooms.

    Args:
        clock: seconds since the Unix epoch, for tokens and time stamps.
    """

    def __init__(
        self, bus: EventBus, tokens: Tokens, devices: Devices, directory: Directory, types: Iterable[str],
        metrics: LiveMetrics, clock: Callable[[], float] = time.time, max_backlog: int = MAX_BACKLOG,
    ) -> None:  # fmt: skip
        self._bus, self._tokens, self._devices, self._directory = bus, tokens, devices, directory
        self._types, self._metrics, self._clock = frozenset(types), metrics, clock
        self._sessions: dict[str, Session] = {}
        self._state = "ok"
        self._task: asyncio.Task[None] | None = None
        self.manager = FastManager(max_backlog)
        self.manager.resync = lambda: (("live", {"state": "interrupted"}), ("live", {"state": self._state}))
        self.manager.on_sent, self.manager.on_dropped = metrics.packets.inc, metrics.dropped.inc
        self.feed = Feed(bus, self.manager, directory, metrics, clock)
        self.server = socketio.AsyncServer(
            async_mode="asgi", client_manager=self.manager, json=Json, transports=["websocket", "polling"],
            max_http_buffer_size=16 * 1024, logger=False, engineio_logger=False,
            async_handlers=False,  # one request of a client after the other: who floods us waits for himself
        )  # fmt: skip
        for event, handler in self._handlers().items():
            self.server.on(event, handler)

    def _handlers(self) -> dict[str, Any]:
        return {"connect": self._on_connect, "disconnect": self._on_disconnect, "join": self._on_join, "leave": self._on_leave}

    async def start(self) -> None:
        """Begin housekeeping. The bus is started by whoever owns it, after this."""
        self._state = "ok" if self._bus.healthy() else "interrupted"
        self._task = asyncio.create_task(self._housekeeping(), name="live-housekeeping")

    async def stop(self) -> None:
        """End housekeeping and every session."""
        self.feed.stop()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self.server.shutdown()

    def healthy(self) -> bool:
        """Whether live values flow."""
        return self._bus.healthy()

    # Clients

    async def _on_connect(self, sid: str, _environ: dict[str, Any], auth: Any = None) -> None:
        token = auth.get("token") if isinstance(auth, dict) else None
        try:
            principal = self._tokens.verify(token if isinstance(token, str) else "")
        except Unauthenticated as error:
            raise socketio.exceptions.ConnectionRefusedError("unauthenticated", {"reason": str(error)}) from error
        self._sessions[sid] = Session(principal)
        self._metrics.sessions.set(len(self._sessions))

    async def _on_disconnect(self, sid: str, *_: Any) -> None:
        self._sessions.pop(sid, None)
        self._metrics.sessions.set(len(self._sessions))

    async def _on_join(self, sid: str, request: Any = None) -> dict[str, Any]:
        session, room = self._sessions.get(sid), _room_of(request)
        if session is None or len(session.rooms) >= MAX_ROOMS:
            return {"ok": False, "error": "too many rooms" if session else "unauthenticated"}
        try:
            name = await self._authorised(session.principal, room)
        except CallerError as error:
            return {"ok": False, "error": str(error)}
        except AWAY:
            return {"ok": False, "error": "a part of the platform does not answer now; try again"}
        if sid in self._sessions:  # it may have gone meanwhile
            await self.server.enter_room(sid, name)
            session.rooms.add(room)
        return {"ok": True}

    async def _on_leave(self, sid: str, request: Any = None) -> dict[str, Any]:
        session, room = self._sessions.get(sid), _room_of(request)
        if session is not None and room in session.rooms:
            session.rooms.discard(room)
            await self.server.leave_room(sid, inner(room, session.principal.scope))
        return {"ok": True}

    async def _authorised(self, principal: Principal, room: str) -> str:
        """The inner room, when the user may join.

        Raises:
            NotFound: there is no such room, or none that the user may see.
        """
        kind, _, name = room.partition(":")
        if kind == "device":
            await self._devices.visible(principal, name)
        elif not self._may_join(principal, kind, name):
            raise NotFound(f"there is no room {room!r}")
        return inner(room, principal.scope)

    def _may_join(self, principal: Principal, kind: str, name: str) -> bool:
        match kind:
            case "type":
                return name in self._types
            case "org":
                return bool(name) and principal.sees(name)
            case "user":
                return name == principal.id
        return False

    # Housekeeping

    async def _housekeeping(self) -> None:
        while True:
            await asyncio.sleep(HOUSEKEEPING_S)
            try:
                await self._tell_state()
                await self._expire()
                self.manager.forget_gone()
                self.feed.drop_empty_channels()
                await self._directory.sweep()
            except Exception as error:  # one bad round must not end expiry for everybody
                _log.error("live_housekeeping_failed", exc_info=error)

    async def _tell_state(self) -> None:
        state = "ok" if self._bus.healthy() else "interrupted"
        if state != self._state:
            self._state = state
            _log.warning("live_state_changed", state=state)
        for sid in [s for s, session in self._sessions.items() if session.told != state]:
            self._sessions[sid].told = state
            await self.server.emit("live", {"state": state}, to=sid)

    async def _expire(self) -> None:
        now = self._clock()
        for sid in [s for s, session in self._sessions.items() if session.principal.expires_at <= now]:
            await self.server.emit("expired", {}, to=sid)
            await self.server.disconnect(sid)


def _room_of(request: Any) -> str:
    room = request.get("room") if isinstance(request, dict) else None
    return room if isinstance(room, str) else ""
