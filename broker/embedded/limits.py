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
        connections: TCP connections of each listener; policy above: closed at once.
        connect_seconds: to the first byte, from the turn to shake hands to its end, from there to a valid CONNECT.
        handshakes: TLS handshakes under way at once, of one address half of them; others wait in line, each address in turn.
        sweep_seconds: how often is looked who is overdue: no CONNECT, no sign of life, a certificate that has run out.
        keep_alive_zero: what keep-alive 0 counts as, seconds.
        fresh_seconds: so long a session's messages may be repetitions of what an earlier one sent.
        refusals, refusal_seconds: more refused messages than this in that time end the connection.
        rate, burst: messages a second of one connection, and how many may come at once; policy: the socket is not read.
        unread_bytes: a client that lets more of our answers lie is not read until it has taken them.
        turn: packets of one connection that are handled before the others are looked at again, and topics that are looked at for
            retained messages.
        turn_filters: the same of the filters in one SUBSCRIBE or UNSUBSCRIBE.
        packet_filters: filters of one SUBSCRIBE or UNSUBSCRIBE; more end the connection.
        unreleased: incoming QoS 2 messages without PUBREL; more end the connection.
        window: outgoing QoS 1 and 2 messages that are not acknowledged.
        queue: outgoing messages waiting for the window; policy when full: refuse.
        queue_bytes: payload held for one client, sent or waiting; policy: refuse.
        write_bytes: a client whose socket buffer holds more gets nothing until it has read; policy: refuse.
        kept_sessions: of clients that are away; policy: the one that has been away longest is forgotten.
        kept_bytes: payload held for all of them; policy: refuse.
        retained, retained_bytes: retained messages, and their payload; policy: the one that was set first goes.
        sender_retained, sender_retained_bytes: the same of one sender; policy: his own that was set first goes.
        subscriptions, service_subscriptions: filters of one session.
        topics_cached: topics whose route a connection remembers.
    """

    packet_bytes: int = 256 * 1024
    unacknowledged: int = 64
    pending_bytes: int = 256 * 1024
    total_pending_bytes: int = 64 << 20
    batch: int = 4000
    connections: int = 20_000
    connect_seconds: float = 10.0
    handshakes: int = 64
    sweep_seconds: float = 1.0
    keep_alive_zero: int = 1200
    fresh_seconds: float = 5.0
    refusals: int = 50
    refusal_seconds: float = 10.0
    rate: float = 5000.0
    burst: float = 10_000.0
    unread_bytes: int = 512 * 1024
    turn: int = 64
    turn_filters: int = 25
    packet_filters: int = 500
    unreleased: int = 4096
    window: int = 32
    queue: int = 1000
    queue_bytes: int = 1 << 20
    write_bytes: int = 256 * 1024
    kept_sessions: int = 20_000
    kept_bytes: int = 32 << 20
    retained: int = 20_000
    retained_bytes: int = 16 << 20
    sender_retained: int = 100
    sender_retained_bytes: int = 256 * 1024
    subscriptions: int = 100
    service_subscriptions: int = 10_000
    topics_cached: int = 64
