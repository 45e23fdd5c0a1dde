"""What the broker told of sessions and is not in the database yet: bounded, pairs kept whole. Pure."""

from dataclasses import dataclass, field

from broker.api import Presence

Key = tuple[str, int]


@dataclass(slots=True)
class Session:
    """The begin and the end of one session, as far as they are not written."""

    began: Presence | None = None
    ended: Presence | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """What was pending.

    Attributes:
        sessions: in the order of their begin (of their end, where the begin is written already).
        states: the newest word of each device.
    """

    sessions: list[Session] = field(default_factory=list)
    states: list[Presence] = field(default_factory=list)

    def events(self) -> list[Presence]:
        """Each begin and end, in order for each device, and the state of a device whose newest session was dropped."""
        told = [p for session in self.sessions for p in (session.began, session.ended) if p is not None]
        known = {id(presence) for presence in told}
        return told + [state for state in self.states if id(state) not in known]


class PresenceQueue:
    """Holds the newest state of every device and the sessions that are not written.

    Policy when full: the oldest session that has both begun and ended while it waited is dropped whole, so that no pair
    is ever broken. A begin without its end, and an end whose begin is written, are always kept: there are at most as
    many as there are or were connections.

    Args:
        sessions: how many ended ones it holds.
    """

    def __init__(self, *, sessions: int) -> None:
        self._bound = sessions
        self._sessions: dict[Key, Session] = {}
        self._whole: dict[Key, None] = {}
        self._states: dict[str, Presence] = {}

    def __len__(self) -> int:
        return len(self._sessions)

    def add(self, presence: Presence) -> bool:
        """Add a begin or an end. Returns whether a session had to be dropped for it."""
        key = (presence.device.id, presence.session)
        self._states[presence.device.id] = presence
        if presence.connected:
            self._sessions[key] = Session(began=presence)
            return False
        session = self._sessions.setdefault(key, Session())
        session.ended = presence
        if session.began is not None:
            self._whole[key] = None
        return self._drop_oldest()

    def _drop_oldest(self) -> bool:
        if len(self._whole) <= self._bound:
            return False
        oldest = next(iter(self._whole))
        del self._whole[oldest], self._sessions[oldest]
        return True

    def take(self) -> Batch:
        """Remove and return everything."""
        batch = Batch(list(self._sessions.values()), list(self._states.values()))
        self._sessions, self._whole, self._states = {}, {}, {}
        return batch
