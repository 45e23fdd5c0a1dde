"""Group commit for threads: whoever needs a write makes it for all who need one, and the others wait for theirs."""

from device_sdk.bells import Bells
from device_sdk.changes import Changes
from device_sdk.journal import Journal, OutboxUnavailable
from device_sdk.keeping import Keeping
from device_sdk.receipt import Receipt, State

LAZY_S = 0.5  # what nobody waits for is written so much later, unless a write comes by


class GroupWriter:
    """One write at a time. Every method is called with the bells' lock held."""

    def __init__(self, bells: Bells, keeping: Keeping, journal: Journal) -> None:
        self._bells, self._keeping, self._journal = bells, keeping, journal
        self._writing = False

    def wait(self, receipt: Receipt) -> None:
        """Until it is kept, refused or gone."""
        while receipt.state is State.KEEPING:
            if self._writing:
                self._bells.written.wait()
            else:
                self.write()

    def write(self) -> bool:
        """Write what there is, unless another thread is at it; False when the disk did not take it."""
        changes = None if self._writing else self._keeping.begin_write()
        if changes is None:
            return True
        self._writing = True
        try:
            return self._write(changes)
        finally:
            self._writing = False
            self._bells.written.notify_all()
            self._bells.outgoing.notify_all()
            if changes.noted:
                self._bells.work.notify_all()

    def _write(self, changes: Changes) -> bool:
        error: Exception | None = OutboxUnavailable("the write was cut off")
        self._bells.lock.release()
        try:
            error = self._journal.attempt(changes)
        finally:
            self._bells.lock.acquire()
            well = self._keeping.settle(changes, error)
        return well
