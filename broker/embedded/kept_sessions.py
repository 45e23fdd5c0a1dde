"""Sessions of clients that are away, kept until they come back. Bounded."""

from collections import OrderedDict
from collections.abc import Callable

from broker.api import Sent
from broker.embedded.limits import Limits
from broker.embedded.outgoing import Outgoing
from broker.embedded.session import Session, seat_of
from iotsphere.registry import DeviceRecord


class KeptSessions:
    """Bounded in number and in what they hold, see Limits; messages to any subscriber pass here.

    Args:
        on_forgotten: told of a session that is given up because there are too many.

    Attributes:
        held: bytes of payload for clients that are away.
        forgotten: sessions given up; dropped: messages to subscribers that could not be held or written.
    """

    def __init__(self, limits: Limits, on_forgotten: Callable[[Session], None]) -> None:
        self._limits = limits
        self._on_forgotten = on_forgotten
        self._away: OrderedDict[str, Session] = OrderedDict()
        self.held = 0
        self.forgotten = 0
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._away)

    def keep(self, session: Session) -> None:
        """The client is gone."""
        self._away[seat_of(session.record)] = session
        self.held += session.outgoing.held
        while len(self._away) > self._limits.kept_sessions:
            _, oldest = self._away.popitem(last=False)
            self.held -= oldest.outgoing.held
            self.forgotten += 1
            self._on_forgotten(oldest)

    def take(self, client: DeviceRecord) -> Session | None:
        """The client is back."""
        session = self._away.pop(seat_of(client), None)
        if session is not None:
            self.held -= session.outgoing.held
        return session

    def offer(self, session: Session, outgoing: Outgoing) -> None:
        """A message for a subscriber, there or away. What cannot be held is dropped and counted."""
        if self._away.get(seat_of(session.record)) is not session:
            sent = session.outgoing.offer(outgoing)
        elif outgoing.qos == 0:
            return  # nobody expects it to be kept
        elif self.held + len(outgoing.payload) > self._limits.kept_bytes:
            sent = Sent.REFUSED
        else:
            before = session.outgoing.held
            sent = session.outgoing.offer(outgoing)
            self.held += session.outgoing.held - before
        self.dropped += sent is Sent.REFUSED
