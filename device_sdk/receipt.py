"""What becomes of something that was handed over: kept, then acknowledged or gone."""

from enum import Enum


class State(Enum):
    """Where it is."""

    KEEPING = "keeping"  # on its way to the disk
    KEPT = "kept"  # as durable as the outbox is; on its way to the platform
    REFUSED = "refused"  # the disk did not take it: nothing was kept
    ACKNOWLEDGED = "acknowledged"  # the platform has committed it
    GONE = "gone"  # dropped by the outbox's policy


class Receipt:
    """Of one call, whose messages may be several. The methods with an underscore are those by which the SDK tells it.

    Attributes:
        state: of the whole; gone as soon as a part of it is.
        error: why it was refused.
    """

    __slots__ = ("__weakref__", "_keeping", "_open", "error", "state")

    def __init__(self) -> None:
        self.state = State.KEEPING
        self.error: Exception | None = None
        self._keeping = self._open = 0

    def _expect(self) -> None:
        """One more message belongs to it."""
        self._keeping += 1
        self._open += 1

    def _kept(self) -> None:
        """One of them is kept."""
        self._keeping -= 1
        if not self._keeping and self.state is State.KEEPING:
            self._become(State.KEPT)

    def _refused(self, error: Exception) -> None:
        """The disk did not take it."""
        if self.state is State.KEEPING:
            self.error = error
            self._become(State.REFUSED)

    def _acknowledged(self) -> None:
        """The PUBACK of one of them came."""
        self._open -= 1
        if not self._open and self.state in (State.KEEPING, State.KEPT):
            self._become(State.ACKNOWLEDGED)

    def _gone(self) -> None:
        """One of them had to go."""
        if self.state in (State.KEEPING, State.KEPT):
            self._become(State.GONE)

    def _become(self, state: State) -> None:
        self.state = state
        self._changed()

    def _changed(self) -> None:
        """For whoever waits."""
