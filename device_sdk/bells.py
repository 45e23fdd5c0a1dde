"""Who is woken when: the conditions of a device with threads, all of one lock."""

import threading


class Bells:
    """The lock guards the session; nobody holds it while the network or the disk is waited for.

    Attributes:
        outgoing: something may go out, or the connection has changed.
        work: a handler may have something to do.
        settled: something was acknowledged or lost, or the connection has changed.
        written: a write has ended.
        store: something is to be written that no caller waits for.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.outgoing = threading.Condition(self.lock)
        self.work = threading.Condition(self.lock)
        self.settled = threading.Condition(self.lock)
        self.written = threading.Condition(self.lock)
        self.store = threading.Condition(self.lock)

    def all(self) -> None:
        """Wake everybody; with the lock held."""
        for bell in (self.outgoing, self.work, self.settled, self.written, self.store):
            bell.notify_all()
