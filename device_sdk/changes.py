"""What has to be written down before it counts, and what was found written down. Plain data."""

from dataclasses import dataclass, field

from device_sdk.gaps import Gap
from device_sdk.outbox import Entry
from device_sdk.receipt import Receipt


@dataclass(slots=True)
class Changes:
    """Written as one.

    Attributes:
        entries: new messages.
        acknowledged: ids of messages that need not be kept any longer.
        gaps: all dropped numbers that the platform does not know of, when they have changed.
        commands: the encoded answer by command id; None for a command that is about to be run.
        noted: receipts of these commands.
        boot, seq: the run, and its highest number.
    """

    entries: list[Entry] = field(default_factory=list)
    acknowledged: list[int] = field(default_factory=list)
    gaps: list[Gap] | None = None
    commands: dict[str, bytes | None] = field(default_factory=dict)
    noted: list[Receipt] = field(default_factory=list)
    boot: str = ""
    seq: int = 0

    @property
    def urgent(self) -> bool:
        """Whether somebody waits for it; the rest may be written along with the next that is."""
        return bool(self.entries or self.commands)

    def __bool__(self) -> bool:
        return bool(self.entries or self.acknowledged or self.gaps is not None or self.commands)


@dataclass(slots=True)
class Kept:
    """What an earlier run has left.

    Attributes:
        boot: "" when there was none.
        commands: in the order in which they came.
    """

    boot: str = ""
    seq: int = 0
    entries: list[Entry] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    commands: dict[str, bytes | None] = field(default_factory=dict)
