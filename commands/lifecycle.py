"""The life of a command: the one table of its states. Pure; command_table.py and the guards in the database enforce it."""

from collections.abc import Mapping

QUEUED = "queued"  # committed; not sent, or sending failed
SENT = "sent"  # written to the device's session; again for each session that it is sent in
DELIVERED = "delivered"  # the device's PUBACK came in that session: never inferred from sending
IN_PROGRESS = "in_progress"  # the device says so
SUCCEEDED, FAILED, REJECTED = "succeeded", "failed", "rejected"  # the device says so, for good
EXPIRED = "expired"  # its time ran out before it was sent
TIMED_OUT = "timed_out"  # its time ran out after it was sent: what became of it is not known, and a late answer may tell
CANCELLED = "cancelled"  # a person took it back; a device that has it already may still carry it out

UNANSWERED = (QUEUED, SENT, DELIVERED)
OPEN = (*UNANSWERED, IN_PROGRESS)
ANSWERED = frozenset({SUCCEEDED, FAILED, REJECTED})
FINAL = ANSWERED | {EXPIRED, CANCELLED, TIMED_OUT}

TRANSITIONS: Mapping[str, frozenset[str]] = {
    # An answer may overtake the note that it was sent, and a crash may lose the note.
    QUEUED: frozenset({SENT, DELIVERED, IN_PROGRESS, EXPIRED, TIMED_OUT, CANCELLED}) | ANSWERED,
    SENT: frozenset({SENT, DELIVERED, IN_PROGRESS, TIMED_OUT, CANCELLED}) | ANSWERED,
    DELIVERED: frozenset({SENT, IN_PROGRESS, TIMED_OUT, CANCELLED}) | ANSWERED,
    IN_PROGRESS: frozenset({TIMED_OUT, CANCELLED}) | ANSWERED,
    TIMED_OUT: ANSWERED,
    SUCCEEDED: frozenset(),
    FAILED: frozenset(),
    REJECTED: frozenset(),
    EXPIRED: frozenset(),
    CANCELLED: frozenset(),
}

MAX_ATTEMPTS = 5
"""Sessions in which a command is sent at most. One that makes its device restart would else be the last that it ever hears."""


def may_become(status: str, target: str) -> bool:
    """Whether a command in this state may go to that one."""
    return target in TRANSITIONS[status]


def at_expiry(status: str, claimed: bool) -> str:
    """What an open command becomes when its time is over; ``claimed``: it was about to be sent, so it may have been."""
    return EXPIRED if status == QUEUED and not claimed else TIMED_OUT
