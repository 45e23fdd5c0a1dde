"""Which session a client gets at its CONNECT, and what becomes of it at the end of the connection."""

from collections.abc import Callable

from broker import policy
from broker.embedded.fan_out import FanOut
from broker.embedded.kept_sessions import KeptSessions
from broker.embedded.limits import Limits
from broker.embedded.session import Session
from broker.embedded.subscription_store import SubscriptionStore
from iotsphere.registry import DeviceRecord, Registry


class Sessions:
    """Sessions live as long as this process; the filters of devices' sessions outlive it in the store."""

    def __init__(self, limits: Limits, clock: Callable[[], float], store: SubscriptionStore, registry: Registry) -> None:
        self._limits = limits
        self._clock = clock
        self._store = store
        self.kept = KeptSessions(limits, lambda session: self.fan_out.forget(session))
        self.fan_out = FanOut(registry, limits, self.kept)

    def open(self, record: DeviceRecord, clean: bool) -> tuple[Session, bool]:
        """The session of a CONNECT, and whether the client has had it before."""
        session = self.kept.take(record)
        if session is not None and (clean or _owner(session.record) != _owner(record)):
            self.fan_out.forget(session)
            session = None
        if clean and record.kind != "service":
            self._clear(record.id)
        if session is None:
            return self._new(record, clean)
        session.record = record
        return session, True

    def _new(self, record: DeviceRecord, clean: bool) -> tuple[Session, bool]:
        session = Session(record, clean, self._limits, self._clock)
        if not clean and not session.is_service:
            for topic_filter, qos in self._store.get(record.id).items():
                if policy.may_subscribe(record, topic_filter) is None:
                    self.fan_out.subscribe(session, topic_filter, qos)
        return session, len(session.filters) > 0

    def _clear(self, client: str) -> None:
        if filters := self._store.get(client):
            self._store.change(client, dict.fromkeys(filters), lambda: None)

    def close(self, session: Session) -> None:
        """The connection has ended; the session is detached."""
        if session.clean:
            self.fan_out.forget(session)
        else:
            self.kept.keep(session)


def _owner(record: DeviceRecord) -> tuple[str, str]:
    """Whoever is somebody else's now does not get what was meant for its earlier owner."""
    return record.organization, record.kind
