"""What becomes of a call."""

from device_sdk.receipt import Receipt, State


def of(count: int) -> Receipt:
    made = Receipt()
    for _ in range(count):
        made._expect()
    return made


def test_the_whole_is_kept_and_acknowledged_when_its_last_part_is() -> None:
    made, seen = of(2), []
    for step in (made._kept, made._kept, made._acknowledged, made._acknowledged):
        step()
        seen.append(made.state)
    assert seen == [State.KEEPING, State.KEPT, State.KEPT, State.ACKNOWLEDGED]


def test_it_is_gone_as_soon_as_a_part_is_and_stays_so() -> None:
    made = of(2)
    made._kept()
    made._gone()
    made._kept()
    made._acknowledged()
    made._acknowledged()
    assert made.state is State.GONE


def test_what_was_refused_says_why() -> None:
    made, error = of(1), OSError("full")
    made._refused(error)
    made._gone()
    assert (made.state, made.error) == (State.REFUSED, error)
