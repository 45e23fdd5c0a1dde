"""What is kept, and when it counts."""

from device_sdk.changes import Changes, Kept
from device_sdk.gaps import Gap
from device_sdk.keeping import Keeping
from device_sdk.moments import Moments
from device_sdk.outbox import Batching, Entry, Limits, Stream
from device_sdk.receipt import Receipt, State

ONE = Batching()


def keeping(kept: Kept | None = None, **limits: int) -> Keeping:
    return Keeping(Limits(**limits), kept, Moments(lambda: 100.0, lambda: 5.0), "b", kept.seq if kept else 0)


def put(made: Keeping, *, receipt: Receipt | None = None, stream: Stream = Stream.READING) -> Receipt:
    count = 1 if stream is Stream.READING else 0
    kept = receipt or Receipt()
    made.seq += count
    made.keep(Entry(stream, "t", b"{}", 1, boot="b", seq=made.seq, count=count), kept)
    return kept


def write(made: Keeping, error: Exception | None = None) -> Changes:
    changes = made.begin_write()
    assert changes is not None
    made.settle(changes, error)
    return changes


def test_in_memory_all_is_kept_at_once_and_nothing_collected() -> None:
    made = keeping()
    assert put(made).state is State.KEPT
    made.acknowledged(made.take(ONE))
    assert made.note("c", None).state is State.KEPT
    assert not made.has_changes
    assert made.begin_write() is None


def test_a_message_goes_out_only_when_it_is_written() -> None:
    made = keeping(Kept())
    receipt = put(made)
    assert made.write_wanted
    assert receipt.state is State.KEEPING
    assert made.take(ONE) == []
    write(made)
    assert receipt.state is State.KEPT
    assert len(made.take(ONE)) == 1


def test_an_acknowledgement_is_written_when_something_else_is() -> None:
    made = keeping(Kept())
    put(made)
    write(made)
    [entry] = made.take(ONE)
    made.acknowledged([entry])
    assert made.has_changes
    assert not made.write_wanted
    assert write(made).acknowledged == [entry.id]


def test_what_the_disk_refuses_is_told_to_its_caller_and_its_number_to_the_platform() -> None:
    made = keeping(Kept(seq=7))
    receipt = put(made)
    answer = Entry(Stream.ANSWER, "t", b"{}", 2)
    made.keep(answer, None)
    noted, error = made.note("c", b"{}"), OSError("full")
    begun = made.note("d", None)
    write(made, error)
    assert (receipt.state, receipt.error) == (State.REFUSED, error)
    assert (noted.state, begun.state) == (State.REFUSED, State.REFUSED)
    assert made.take_gap() == Gap("b", 8, 8)
    assert made.take(ONE) == [answer]  # from memory: the platform waits for it
    assert len(made) == 1
    assert write(made).commands == {"c": b"{}"}


def test_what_an_earlier_run_has_left_goes_first_and_ids_count_on() -> None:
    left = [Entry(Stream.READING, "t", b"old", 1, 99.0, "b", n, 1, n) for n in (4, 6)]
    made = keeping(Kept("b", 6, left, [Gap("b", 5, 5)]))
    put(made)
    assert [entry.id for entry in write(made).entries] == [7]
    assert made.take_gap() == Gap("b", 5, 5)
    made.connected()
    assert [made.take(ONE)[0].seq for _ in range(3)] == [4, 6, 7]


def test_dropped_numbers_are_written_and_forgotten_when_they_are_told() -> None:
    made = keeping(Kept(), messages=1)
    first, second = put(made), put(made)
    assert (first.state, second.state) == (State.KEEPING, State.GONE)
    write(made)
    put(made)
    assert first.state is State.GONE
    changes = write(made)
    assert changes.gaps == [Gap("b", 1, 2)]
    gap = made.take_gap()
    assert gap is not None
    made.disconnected()
    assert made.take_gap() == gap
    made.told(gap)
    assert write(made).gaps == []
