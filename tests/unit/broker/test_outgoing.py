"""Messages to one client, without a socket."""

from collections.abc import Callable

from broker.api import Sent
from broker.embedded.codec import PUBREL, encode_ack, encode_publish
from broker.embedded.limits import Limits
from broker.embedded.outgoing import Outgoing, OutgoingQueue


class Recorder:
    """A link that remembers."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.lying = 0

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def buffered(self) -> int:
        return self.lying


def queue(limits: Limits, clock: Callable[[], float] = lambda: 0.0) -> tuple[OutgoingQueue, Recorder]:
    made, link = OutgoingQueue(limits, clock), Recorder()
    made.attach(link)
    return made, link


def message(number: int, qos: int = 1, **details: object) -> Outgoing:
    return Outgoing("t", b"%d" % number, qos, **details)  # type: ignore[arg-type]


def test_the_window_bounds_what_is_sent_and_the_queue_what_waits() -> None:
    made, link = queue(Limits(window=2, queue=1))
    assert [made.offer(message(n)) for n in range(4)] == [Sent.QUEUED] * 3 + [Sent.REFUSED]
    assert link.written == [encode_publish("t", b"0", 1, 1), encode_publish("t", b"1", 1, 2)]
    assert made.acknowledged(1) == ""
    assert link.written[2:] == [encode_publish("t", b"2", 1, 3)]
    assert made.held == 2


def test_bytes_are_bounded_too_and_given_back() -> None:
    made, _ = queue(Limits(queue_bytes=10))
    assert made.offer(Outgoing("t", b"x" * 10, 1)) is Sent.QUEUED
    assert made.offer(message(1)) is Sent.REFUSED
    made.acknowledged(1)
    assert made.held == 0
    assert made.offer(message(1)) is Sent.QUEUED


def test_a_client_that_does_not_read_gets_nothing_until_it_has() -> None:
    made, link = queue(Limits(write_bytes=100))
    link.lying = 101
    assert [made.offer(message(1, qos)) for qos in (0, 1)] == [Sent.REFUSED, Sent.QUEUED]
    assert link.written == []
    link.lying = 100
    made.pump()
    assert link.written == [encode_publish("t", b"1", 1, 1)]


def test_the_four_steps_of_qos_2() -> None:
    made, link = queue(Limits(window=1))
    made.offer(message(1, 2, message="m"))
    made.offer(message(2, 2))
    assert made.acknowledged(1) is None  # a PUBACK is no answer to QoS 2
    made.completed(1)  # nor is a PUBCOMP before the PUBREC
    assert made.received(1) == "m"
    assert made.received(1) is None  # once more: only answered
    assert link.written == [encode_publish("t", b"1", 2, 1), *[encode_ack(PUBREL, 1)] * 2]
    made.completed(1)
    assert link.written[-1] == encode_publish("t", b"2", 2, 2)
    assert made.held == 1


def test_acknowledgements_of_nothing_do_nothing() -> None:
    made, link = queue(Limits())
    made.offer(message(1))
    assert (made.acknowledged(9), made.received(1)) == (None, None)
    made.completed(1)
    made.completed(9)
    assert len(made) == 1
    assert made.received(9) is None
    assert link.written[1:] == [encode_ack(PUBREL, 9)]  # so that the client ends it


def test_what_was_not_acknowledged_is_sent_again_in_order_with_dup() -> None:
    now = 0.0
    made, _ = queue(Limits(window=4), lambda: now)
    for number, qos in enumerate((1, 2, 2, 1)):
        made.offer(message(number, qos))
    made.offer(message(4, message="named"))
    made.offer(message(5))
    made.received(3)
    made.acknowledged(4)
    made.detach()
    assert made.offer(message(6)) is Sent.QUEUED
    assert made.offer(message(7, 0)) is Sent.REFUSED
    link = Recorder()
    made.attach(link)
    assert link.written == [
        encode_publish("t", b"0", 1, 1, dup=True),
        encode_publish("t", b"1", 2, 2, dup=True),
        encode_ack(PUBREL, 3),
        encode_publish("t", b"4", 1, 5, dup=True),
    ]
    made.acknowledged(1)
    made.acknowledged(5)
    assert link.written[4:] == [encode_publish("t", b"5", 1, 6), encode_publish("t", b"6", 1, 7)]


def test_what_is_late_is_neither_sent_nor_sent_again() -> None:
    now = 0.0
    made, _ = queue(Limits(window=1), lambda: now)
    made.offer(message(1, deadline=1.0))
    made.offer(message(2, deadline=1.0))
    made.detach()
    now = 1.0
    made.attach(link := Recorder())
    assert (link.written, made.held, len(made)) == ([], 0, 0)
