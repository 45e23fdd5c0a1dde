"""Shadows on the wire."""

from collections.abc import Mapping
from typing import Any

import msgspec


class ShadowDocument(msgspec.Struct, kw_only=True, frozen=True):
    """The classic shadow of a device; its ETag is the version.

    Attributes:
        state: ``desired``, ``reported``, and ``delta`` where they differ.
        version: grows with every change, 0 before the first.
        timestamp: of the last change, seconds since the Unix epoch.
    """

    state: Mapping[str, Any]
    metadata: Mapping[str, Any]
    version: int
    timestamp: int


NONE_YET = ShadowDocument(state={}, metadata={}, version=0, timestamp=0)
