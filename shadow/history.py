"""What a document was in an earlier version: a snapshot, and the updates since, done again. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from shadow.document import Bounds, Document, decode, delete, encode, update

SNAPSHOT_EVERY = 64
"""Versions from one snapshot to the next: so many updates are read at most to rebuild a version."""
DEVICE = "device"
"""Who made a revision, when the device itself did."""
DELETION = '{"delete":true}'
_NO_BOUNDS = Bounds(size=1 << 62, depth=1 << 20)
_PARTS = ("desired", "reported", "metadata", "desired_version", "reported_version", "deleted", "timestamp", "pending")


@dataclass(frozen=True, slots=True)
class Revision:
    """One accepted update.

    Attributes:
        at: seconds since the Unix epoch.
        update: what was asked for, as JSON: the partial state, or DELETION.
        snapshot: the whole document after it, as JSON, in some revisions.
    """

    version: int
    at: float
    actor: str
    update: str
    snapshot: str | None = None


def revision(document: Document, now: float, actor: str, asked: str) -> Revision:
    """The revision that led to this document; with a snapshot when one is due."""
    due = document.version % SNAPSHOT_EVERY == 1
    return Revision(document.version, now, actor, asked, _snapshot(document) if due else None)


def rebuild(revisions: Iterable[Revision]) -> Document:
    """The document after the last of consecutive revisions, the first of which has a snapshot."""
    document = Document()
    for one in revisions:
        document = _restored(one) if one.snapshot is not None else _next(document, one)
    return document


def _snapshot(document: Document) -> str:
    return encode({part: getattr(document, part) for part in _PARTS}).decode()


def _restored(one: Revision) -> Document:
    parts: dict[str, Any] = decode(one.snapshot or "{}")
    return Document(version=one.version, **parts)


def _next(document: Document, one: Revision) -> Document:
    if one.update == DELETION:
        return delete(document, one.at)
    return update(document, decode(one.update), one.at, _NO_BOUNDS, editor=None if one.actor == DEVICE else one.actor)
