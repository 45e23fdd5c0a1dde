"""Life of a connection."""

from enum import Enum


class State(Enum):
    """From the TLS handshake to the end."""

    NEW = "new"
    CHECKING = "checking"
    LIVE = "live"
    CLOSED = "closed"
