"""Shadows on the wire."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

import msgspec


class Convergence(msgspec.Struct, kw_only=True, frozen=True):
    """How far a device is with one desired property.

    Attributes:
        state: ``pending``: desired and reported differ, and the device has not answered; the last three are its answer.
        since: when it began to be pending; null once it is applied.
        code: the device's ``ac``; reason: its ``ad``.
    """

    state: Literal["applied", "pending", "in_progress", "refused", "failed"]
    since: datetime | None
    code: int | None
    reason: str


class ShadowDocument(msgspec.Struct, kw_only=True, frozen=True):
    """A shadow of a device; its ETag is the version.

    Attributes:
        state: ``desired``, ``reported``, and ``delta`` where they differ.
        metadata: of desired and reported: when each part was last written, in which version, by whom.
        version: grows with every change, 0 before the first.
        desired_version, reported_version: in which each section was last written.
        timestamp: of the last change, seconds since the Unix epoch.
        convergence: of each desired property.
    """

    state: Mapping[str, Any]
    metadata: Mapping[str, Any]
    version: int
    desired_version: int
    reported_version: int
    timestamp: int
    convergence: Mapping[str, Convergence]


class ShadowEntry(msgspec.Struct, frozen=True):
    """A shadow in the list of a device's; the name of the classic one is empty."""

    name: str
    version: int
    timestamp: int


class ShadowList(msgspec.Struct, frozen=True):
    """By name."""

    items: list[ShadowEntry]


class RevisionView(msgspec.Struct, frozen=True):
    """One change. ``actor`` is a user, or ``device``; ``update`` the partial state that was sent, or ``{"delete": true}``."""

    version: int
    at: datetime
    actor: str
    update: Any


class RevisionPage(msgspec.Struct, frozen=True):
    """Newest first; ``before`` of the next page, null on the last one."""

    items: list[RevisionView]
    next_before: int | None


NONE_YET = ShadowDocument(state={}, metadata={}, version=0, desired_version=0, reported_version=0, timestamp=0, convergence={})
