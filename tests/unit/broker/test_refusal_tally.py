from broker.refusal_tally import Refusal, Tally, Told


def refusal(device: str = "d", reason: str = "no") -> Refusal:
    return Refusal(device, "acl", reason, None, "10.0.0.1")


def test_the_first_is_told_at_once_and_its_repetitions_together_at_the_end_of_the_window() -> None:
    tally = Tally(kinds=10, window=10)
    tally.add(refusal(), at=1)
    assert tally.due(0) == [Told(refusal(), 1, 1)]
    for at in (2, 3, 4):
        tally.add(refusal(), at=at)
    assert tally.due(9.9) == []
    assert tally.due(10) == [Told(refusal(), 3, 4)]
    assert tally.due(15) == []


def test_what_differs_is_told_apart() -> None:
    tally = Tally(kinds=10, window=10)
    for one in (refusal(), refusal(reason="never"), refusal("e")):
        tally.add(one, at=1)
    assert len(tally.due(0)) == 3


def test_a_kind_is_forgotten_after_a_quiet_window() -> None:
    tally = Tally(kinds=10, window=10)
    tally.add(refusal(), at=1)
    tally.due(0)
    assert len(tally) == 1
    tally.due(10)
    assert len(tally) == 0


def test_a_new_kind_is_not_taken_when_full_and_known_ones_still_count() -> None:
    tally = Tally(kinds=1, window=10)
    assert tally.add(refusal(), at=1)
    assert not tally.add(refusal("e"), at=2)
    assert tally.add(refusal(), at=3)
    assert tally.due(0) == [Told(refusal(), 2, 3)]


def test_the_rest_is_what_was_not_told() -> None:
    tally = Tally(kinds=10, window=10)
    tally.add(refusal(), at=1)
    tally.due(0)
    tally.add(refusal(), at=2)
    assert tally.rest() == [Told(refusal(), 1, 2)]
