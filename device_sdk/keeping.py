"""Everything that must not be lost on the device: the outbox, the numbers that were dropped, the commands that were begun.

Without I/O: what has changed is collected until a shell writes it down (see journal.py). A message goes out only when it is
written: a number that was sent and forgotten would be given to another reading after a restart.
"""

from collections.abc import Sequence

from device_sdk.changes import Changes, Kept
from device_sdk.gaps import Gap, Gaps
from device_sdk.moments import Moments
from device_sdk.outbox import Batching, Entry, Limits, Outbox
from device_sdk.receipt import Receipt


class Keeping:
    """Keeps entries.

    Args:
        kept: what an earlier run has left; None for memory only.
        boot, seq: the run of sequence numbers, and its highest so far.

    Attributes:
        dropped: messages and readings that had to go for want of room or for their age.
    """

    def __init__(self, limits: Limits, kept: Kept | None, moments: Moments, boot: str, seq: int) -> None:
        found = kept or Kept()
        self.boot, self.seq = boot, seq
        self.dropped = 0
        self._durable = kept is not None
        self._moments = moments
        self._changes = Changes()
        self._outbox = Outbox(limits)
        self._gaps = Gaps(found.gaps)
        self._last_id = max((entry.id for entry in found.entries), default=0)
        for entry in found.entries:
            entry.at = moments.age_of(entry.at)
        self._outbox.load(found.entries)

    def __len__(self) -> int:
        return len(self._outbox)

    # ── coming in ──────────────────────────────────────────────────────────────────────────────────────────────────

    def keep(self, entry: Entry, receipt: Receipt | None) -> None:
        """Take a message, or let another one go for it, or let it go itself."""
        self._last_id += 1
        entry.id, entry.at, entry.receipt = self._last_id, self._moments.age_clock(), receipt
        if receipt is not None:
            receipt._expect()
        gone = self._outbox.make_room(entry, entry.at)
        self._let_go(gone)
        if entry in gone:
            return
        if self._durable:
            self._changes.entries.append(entry)
        else:
            self._admit(entry)

    def note(self, command_id: str, answer: bytes | None) -> Receipt:
        """Remember a command that is about to be run (None) or its answer; the receipt says when that is sure."""
        receipt = Receipt()
        receipt._expect()
        if self._durable:
            self._changes.commands[command_id] = answer
            self._changes.noted.append(receipt)
        else:
            receipt._kept()
        return receipt

    def connected(self) -> None:
        """What has waited is backlog from here on, and what is too old goes."""
        self._outbox.restart()
        self._let_go(self._outbox.expire(self._moments.age_clock()))

    def _admit(self, entry: Entry) -> None:
        self._outbox.admit(entry, self._moments.monotonic())
        if entry.receipt is not None:
            entry.receipt._kept()

    def _let_go(self, gone: Sequence[Entry]) -> None:
        for entry in gone:
            self.dropped += max(entry.count, 1)
            self._forget(entry)
            self._lose(entry)
            if entry.receipt is not None:
                entry.receipt._gone()

    def _lose(self, entry: Entry) -> None:
        if entry.count:
            self._gaps.add(entry.boot, entry.seq, entry.seq + entry.count - 1)
            self._changes.gaps = self._gaps.all()

    def _forget(self, entry: Entry) -> None:
        if self._durable:
            self._changes.acknowledged.append(entry.id)

    # ── going out ──────────────────────────────────────────────────────────────────────────────────────────────────

    def waiting(self, batching: Batching) -> bool:
        """Whether take() or take_gap() has something."""
        return bool(self._gaps) or self._outbox.waiting(self._moments.monotonic(), batching)

    def next_due(self, batching: Batching) -> float | None:
        """Seconds until take() has something although nothing happens; None for never."""
        due = self._outbox.ripe_at(batching)
        return None if due is None else max(0.0, due - self._moments.monotonic())

    def take(self, batching: Batching) -> list[Entry]:
        """What goes out next, as one message."""
        return self._outbox.take(self._moments.monotonic(), batching)

    def take_gap(self) -> Gap | None:
        """Numbers that the platform must be told of."""
        return self._gaps.take()

    def acknowledged(self, entries: Sequence[Entry]) -> None:
        """Their PUBACK came."""
        for entry in entries:
            if self._outbox.acknowledged(entry):
                self._forget(entry)
                if entry.receipt is not None:
                    entry.receipt._acknowledged()

    def told(self, gap: Gap) -> None:
        """The PUBACK of a gap came."""
        self._gaps.told(gap)
        self._changes.gaps = self._gaps.all()

    def disconnected(self) -> None:
        """What was on its way is to go again."""
        self._outbox.restart()
        self._gaps.reconnected()

    def abandon(self) -> None:
        """No acknowledgement will come in this run: tell whoever waits."""
        for entry in self._outbox:
            if entry.receipt is not None:
                entry.receipt._gone()

    # ── writing down ───────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def write_wanted(self) -> bool:
        """Whether somebody waits for a write."""
        return self._durable and self._changes.urgent

    @property
    def has_changes(self) -> bool:
        """Whether there is something to write at all."""
        return self._durable and bool(self._changes)

    def begin_write(self) -> Changes | None:
        """What to write now, None for nothing. The next one must not begin before this one has ended."""
        if not self.has_changes:
            return None
        changes, self._changes = self._changes, Changes()
        changes.boot, changes.seq = self.boot, self.seq
        return changes

    def settle(self, changes: Changes, error: Exception | None) -> bool:
        """The write has ended, well or with an error; returns which."""
        if error is None:
            self._written(changes)
        else:
            self._unwritten(changes, error)
        return error is None

    def _written(self, changes: Changes) -> None:
        """Messages may go out, commands may begin."""
        for entry in changes.entries:
            self._admit(entry)
        for receipt in changes.noted:
            receipt._kept()

    def _unwritten(self, changes: Changes, error: Exception) -> None:
        """Nothing of it is on the disk.

        Whoever waits is told; answers to commands go out from memory; what nobody waits for is written with the next.
        """
        later = self._changes
        later.acknowledged += changes.acknowledged
        later.gaps = later.gaps if later.gaps is not None else changes.gaps
        answers = {name: answer for name, answer in changes.commands.items() if answer is not None}
        later.commands = {**answers, **later.commands}
        for receipt in changes.noted:
            receipt._refused(error)
        for entry in changes.entries:
            if entry.receipt is None:
                self._admit(entry)
                continue
            self._outbox.discard(entry)
            self._lose(entry)
            entry.receipt._refused(error)
