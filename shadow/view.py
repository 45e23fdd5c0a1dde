"""Shadows as callers see them."""

from dataclasses import dataclass
from typing import Any

from shadow import replies
from shadow.convergence import Progress
from shadow.document import Document


@dataclass(frozen=True, slots=True)
class ShadowView:
    """A shadow.

    Attributes:
        state: ``desired``, ``reported`` and ``delta``, each only when there is something in it.
        metadata: of desired and reported, see shadow.metadata.
        version: of the document.
        desired_version, reported_version: in which each section was last written.
        timestamp: seconds since the Unix epoch of this version.
        exists: False for one that was deleted.
        progress: how far the device is with each desired property.
    """

    state: dict[str, Any]
    metadata: dict[str, Any]
    version: int
    desired_version: int
    reported_version: int
    timestamp: int
    exists: bool
    progress: dict[str, Progress]


@dataclass(frozen=True, slots=True)
class Listed:
    """A shadow in a list; "" is the classic one."""

    name: str
    version: int
    timestamp: int


def view(found: Document) -> ShadowView:
    """The view of a document."""
    body = replies.got(found, found.timestamp)
    return ShadowView(
        state=body["state"],
        metadata=body["metadata"],
        version=found.version,
        desired_version=found.desired_version,
        reported_version=found.reported_version,
        timestamp=found.timestamp,
        exists=found.exists,
        progress=found.progress,
    )
