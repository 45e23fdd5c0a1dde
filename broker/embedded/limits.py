"""Every bound of the embedded broker in one place."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds and their units.

    Attributes:
        packet_bytes: largest MQTT packet; a larger one ends its connection.
        unacknowledged: messages of one connection that may wait for their commit; above, the socket is not read.
        pending_bytes: the same in bytes of payload.
        total_pending_bytes: over all connections; above, the largest holders are not read.
        batch: messages that one commit takes at most.
        connect_seconds: from the accepted TCP connection to a valid CONNECT.
        handshakes: TLS handshakes under way at once; others wait in line.
        keep_alive_zero: what keep-alive 0 counts as, seconds.
        fresh_seconds: so long a session's messages may be repetitions of what an earlier one sent.
        refusals, refusal_seconds: more refused messages than this in that time end the connection.
        window: outgoing QoS 1 messages without PUBACK.
        queue: outgoing messages waiting for the window; policy when full: refuse.
        write_bytes: a client whose socket buffer holds more gets nothing until it has read; policy: refuse.
        subscriptions: filters of one session.
        topics_cached: topics whose route a connection remembers.
    """

    packet_bytes: int = 256 * 1024
    unacknowledged: int = 64
    pending_bytes: int = 256 * 1024
    total_pending_bytes: int = 64 << 20
    batch: int = 4000
    connect_seconds: float = 10.0
    handshakes: int = 64
    keep_alive_zero: int = 1200
    fresh_seconds: float = 5.0
    refusals: int = 50
    refusal_seconds: float = 10.0
    window: int = 32
    queue: int = 1000
    write_bytes: int = 256 * 1024
    subscriptions: int = 100
    topics_cached: int = 64
